package dynamoapi

import (
	"context"
	"slices"

	"headgate/gateway/awsapi"
)

// Query answers the items of one hash key, of the table or an index, in the
// order of their range keys.
//
// ResourceNotFoundException, ValidationException.

type queryInput struct {
	finding
	KeyConditionExpression string
	KeyConditions          map[string]expected
	QueryFilter            map[string]expected
	ScanIndexForward       *bool
}

func (a *API) query(ctx context.Context, c *awsapi.Call, in *queryInput) (out found, err error) {
	t, _, err := a.table(ctx, in.TableName)
	if err != nil {
		return out, err
	}
	schema, err := t.schemaOf(in.IndexName)
	if err != nil {
		return out, err
	}
	wanted, err := conditions(in.KeyConditions, "")
	if in.KeyConditionExpression != "" {
		wanted, err = in.names.condition("KeyConditionExpression", in.KeyConditionExpression)
	} else if len(in.KeyConditions) == 0 {
		err = awsapi.Invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	if err != nil {
		return out, err
	}
	keep, err := in.filter(in.QueryFilter)
	if err != nil {
		return out, err
	}
	backwards := in.ScanIndexForward != nil && !*in.ScanIndexForward
	items, err := a.candidates(ctx, c, &t, schema, backwards)
	if err != nil {
		return out, err
	}
	items = slices.DeleteFunc(items, func(it item) bool { return !wanted(it) })
	return in.page(&t, schema, items, keep, backwards)
}
