package dynamoapi

import (
	"context"
	"slices"

	"headgate/gateway/awsapi"
)

// TagResource adds tags to a table.
//
// ResourceNotFoundException. LimitExceededException: more than 50.

type tagResourceInput struct {
	ResourceArn string
	Tags        []tag
}

type nothing struct{}

func (a *API) tagResource(ctx context.Context, _ *awsapi.Call, in *tagResourceInput) (nothing, error) {
	_, err := a.change(ctx, in.ResourceArn, func(t *table) error {
		for _, one := range in.Tags {
			t.Tags = append(slices.DeleteFunc(t.Tags, func(old tag) bool { return old.Key == one.Key }), one)
		}
		return t.check()
	})
	return nothing{}, err
}
