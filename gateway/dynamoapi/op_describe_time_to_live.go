package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DescribeTimeToLive tells what UpdateTimeToLive noted.
//
// ResourceNotFoundException.

type timeToLiveDescription struct {
	TimeToLiveStatus string
	AttributeName    string `json:",omitempty"`
}

type describeTimeToLiveOutput struct{ TimeToLiveDescription timeToLiveDescription }

func (a *API) describeTimeToLive(ctx context.Context, _ *awsapi.Call, in *named) (out describeTimeToLiveOutput, err error) {
	t, _, err := a.table(ctx, in.TableName)
	out.TimeToLiveDescription.TimeToLiveStatus = "DISABLED"
	if t.TTL != "" {
		out.TimeToLiveDescription = timeToLiveDescription{"ENABLED", t.TTL}
	}
	return out, err
}
