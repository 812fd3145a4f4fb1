package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// BatchWriteItem makes up to 25 changes without conditions, each for itself.
//
// ResourceNotFoundException, ValidationException.

type batchWriteItemInput struct {
	RequestItems map[string][]struct {
		PutRequest    *struct{ Item item }
		DeleteRequest *struct{ Key item }
	}
}

type batchWriteItemOutput struct{ UnprocessedItems nothing }

func (a *API) batchWriteItem(ctx context.Context, c *awsapi.Call, in *batchWriteItemInput) (out batchWriteItemOutput, err error) {
	n := 0
	for _, all := range in.RequestItems {
		if n += len(all); n > 25 {
			return out, awsapi.Invalid("Too many items requested for the BatchWriteItem call")
		}
	}
	for name, all := range in.RequestItems {
		for _, one := range all {
			switch {
			case one.PutRequest != nil:
				_, err = a.putItem(ctx, c, &putItemInput{conditional: conditional{TableName: name}, Item: one.PutRequest.Item})
			case one.DeleteRequest != nil:
				_, err = a.deleteItem(ctx, c, &deleteItemInput{conditional: conditional{TableName: name}, Key: one.DeleteRequest.Key})
			}
			if err != nil {
				return out, err
			}
		}
	}
	return out, nil
}
