package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DeleteResourcePolicy takes a policy away.
//
// ResourceNotFoundException: there is none, or no such stream or consumer.

func (a *API) deleteResourcePolicy(ctx context.Context, c *awsapi.Call) error {
	r, err := a.findResource(ctx, c.In)
	if err != nil {
		return err
	}
	return a.edit(ctx, r, func(own *own) error {
		if own.Policy == "" {
			return awsapi.Fail(resourceNotFound, "No resource policy found for resource ARN %s.", c.In.Text("ResourceARN"))
		}
		own.Policy = ""
		return nil
	})
}
