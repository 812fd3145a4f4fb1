package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// UpdateTimeToLive notes the attribute that says when an item may go. Nothing
// goes: leases are deleted by those who took them, and clocks at the edge are
// no reason to lose one.
//
// ResourceNotFoundException.

type timeToLive struct {
	AttributeName string
	Enabled       bool
}

type updateTimeToLiveInput struct {
	TableName               string
	TimeToLiveSpecification timeToLive
}

type updateTimeToLiveOutput struct{ TimeToLiveSpecification timeToLive }

func (a *API) updateTimeToLive(ctx context.Context, _ *awsapi.Call, in *updateTimeToLiveInput) (updateTimeToLiveOutput, error) {
	_, err := a.change(ctx, in.TableName, func(t *table) error {
		t.TTL = ""
		if in.TimeToLiveSpecification.Enabled {
			t.TTL = in.TimeToLiveSpecification.AttributeName
		}
		return nil
	})
	return updateTimeToLiveOutput{in.TimeToLiveSpecification}, err
}
