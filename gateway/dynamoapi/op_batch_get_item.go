package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// BatchGetItem answers up to 100 items.
//
// ResourceNotFoundException, ValidationException.

type batchGetItemInput struct {
	RequestItems map[string]struct {
		names
		Keys                 []item
		ConsistentRead       bool
		AttributesToGet      []string
		ProjectionExpression string
	}
}

type batchGetItemOutput struct {
	Responses       map[string][]item
	UnprocessedKeys nothing
}

func (a *API) batchGetItem(ctx context.Context, c *awsapi.Call, in *batchGetItemInput) (out batchGetItemOutput, err error) {
	out.Responses = map[string][]item{}
	n := 0
	for name, wanted := range in.RequestItems {
		if n += len(wanted.Keys); n > 100 {
			return out, awsapi.Invalid("Too many items requested for the BatchGetItem call")
		}
		out.Responses[name] = []item{}
		for _, key := range wanted.Keys {
			one, err := a.getItem(ctx, c, &getItemInput{names: wanted.names, TableName: name, Key: key, ConsistentRead: wanted.ConsistentRead,
				AttributesToGet: wanted.AttributesToGet, ProjectionExpression: wanted.ProjectionExpression})
			if err != nil {
				return out, err
			}
			if one.Item != nil {
				out.Responses[name] = append(out.Responses[name], one.Item)
			}
		}
	}
	return out, nil
}
