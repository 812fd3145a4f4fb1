package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DeleteItem deletes the item of a key, if there is one.
//
// ConditionalCheckFailedException, ResourceNotFoundException, ValidationException.

type deleteItemInput struct {
	conditional
	Key item
}

func (a *API) deleteItem(ctx context.Context, _ *awsapi.Call, in *deleteItemInput) (written, error) {
	t, _, err := a.table(ctx, in.TableName)
	if err != nil {
		return written{}, err
	}
	at, err := t.onlyKey(in.Key)
	if err != nil {
		return written{}, err
	}
	made, err := a.write(ctx, at, &in.conditional, func(item) (item, error) { return nil, nil })
	if err != nil || in.ReturnValues != "ALL_OLD" {
		return written{}, err
	}
	return written{made.old}, nil
}
