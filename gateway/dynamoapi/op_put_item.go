package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// PutItem puts an item in the place of the one with its key.
//
// ConditionalCheckFailedException, ResourceNotFoundException, ValidationException.

type putItemInput struct {
	conditional
	Item item
}

func (a *API) putItem(ctx context.Context, _ *awsapi.Call, in *putItemInput) (written, error) {
	t, _, err := a.table(ctx, in.TableName)
	if err != nil {
		return written{}, err
	}
	at, err := t.itemKey(in.Item)
	if err != nil {
		return written{}, err
	}
	made, err := a.write(ctx, at, &in.conditional, func(item) (item, error) { return in.Item, nil })
	if err != nil || in.ReturnValues != "ALL_OLD" {
		return written{}, err
	}
	return written{made.old}, nil
}
