package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// GetItem answers an item, or no Item. With ConsistentRead it is the latest.
//
// ResourceNotFoundException, ValidationException.

type getItemInput struct {
	names
	TableName            string
	Key                  item
	ConsistentRead       bool
	AttributesToGet      []string
	ProjectionExpression string
}

type getItemOutput struct {
	Item item `json:",omitempty"`
}

func (a *API) getItem(ctx context.Context, _ *awsapi.Call, in *getItemInput) (out getItemOutput, err error) {
	t, _, err := a.table(ctx, in.TableName)
	if err != nil {
		return out, err
	}
	at, err := t.onlyKey(in.Key)
	if err != nil {
		return out, err
	}
	paths, err := in.projection(in.ProjectionExpression, in.AttributesToGet)
	if err != nil {
		return out, err
	}
	it, err := a.latest(ctx, at, in.ConsistentRead)
	if it != nil {
		out.Item = project(it, paths)
	}
	return out, err
}

// latest is the item at a place; if it must be so, surely the latest.
func (a *API) latest(ctx context.Context, at string, surely bool) (item, error) {
	if !surely || !a.shared() {
		it, _, err := a.read(ctx, at)
		return it, err
	}
	made, _, err := a.apply(ctx, change{at, func(old item) (item, error) { return old, nil }})
	if err != nil {
		return nil, err
	}
	return made[0].old, nil
}
