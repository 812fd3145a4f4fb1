package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// ListTagsOfResource lists a table's tags.
//
// ResourceNotFoundException.

type listTagsOfResourceInput struct{ ResourceArn string }

type listTagsOfResourceOutput struct{ Tags []tag }

func (a *API) listTagsOfResource(ctx context.Context, _ *awsapi.Call, in *listTagsOfResourceInput) (listTagsOfResourceOutput, error) {
	t, _, err := a.table(ctx, in.ResourceArn)
	return listTagsOfResourceOutput{nonNil(t.Tags)}, err
}
