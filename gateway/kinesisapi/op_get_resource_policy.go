package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// GetResourcePolicy answers the policy of a stream or a consumer, {} when it
// has none.
//
// ResourceNotFoundException.

func getResourcePolicyInput() []awsapi.Field { return []awsapi.Field{resourceARN()} }

func (a *API) getResourcePolicy(ctx context.Context, c *awsapi.Call) error {
	r, err := a.findResource(ctx, c.In)
	if err != nil {
		return err
	}
	own, err := a.ownOf(ctx, r)
	if err != nil {
		return err
	}
	if own.Policy == "" {
		own.Policy = "{}"
	}
	c.Out.Open("")
	c.Out.Text("Policy", own.Policy)
	c.Out.Close()
	return nil
}
