package dynamoapi

import (
	"context"
	"maps"

	"headgate/gateway/awsapi"
)

// UpdateItem changes attributes of an item, or makes one of its key.
//
// ConditionalCheckFailedException, ResourceNotFoundException, ValidationException.

type updateItemInput struct {
	conditional
	Key              item
	UpdateExpression string
	AttributeUpdates map[string]attributeUpdate
}

func (a *API) updateItem(ctx context.Context, _ *awsapi.Call, in *updateItemInput) (written, error) {
	t, _, err := a.table(ctx, in.TableName)
	if err != nil {
		return written{}, err
	}
	at, err := t.onlyKey(in.Key)
	if err != nil {
		return written{}, err
	}
	edit, err := in.edit(&t)
	if err != nil {
		return written{}, err
	}
	made, err := a.write(ctx, at, &in.conditional, edit)
	return in.returns(made), err
}

// edit is the change that the request asks for, of the item or of its key alone.
func (in *updateItemInput) edit(t *table) (func(item) (item, error), error) {
	change := updates(in.AttributeUpdates)
	if in.UpdateExpression != "" {
		var err error
		if change, err = in.names.update(in.UpdateExpression); err != nil {
			return nil, err
		}
	}
	return func(old item) (item, error) {
		now := maps.Clone(old)
		if now == nil {
			now = maps.Clone(in.Key)
		}
		next, err := change(old, now)
		if err != nil {
			return nil, err
		}
		for _, k := range t.Schema {
			if !next[k.AttributeName].equal(in.Key[k.AttributeName]) {
				return nil, awsapi.Invalid("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", k.AttributeName)
			}
		}
		return next, nil
	}, nil
}
