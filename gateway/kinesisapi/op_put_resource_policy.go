package kinesisapi

import (
	"context"
	"encoding/json"

	"headgate/gateway/awsapi"
)

// PutResourcePolicy sets the policy of a stream or a consumer, in place of the
// one before.
//
// InvalidArgumentException: no policy. ResourceNotFoundException.

// maxPolicy is the largest policy, in bytes.
const maxPolicy = 20 << 10

func putResourcePolicyInput() []awsapi.Field {
	return []awsapi.Field{resourceARN(), required(text("Policy"))}
}

func (a *API) putResourcePolicy(ctx context.Context, c *awsapi.Call) error {
	r, err := a.findResource(ctx, c.In)
	if err != nil {
		return err
	}
	policy := c.In.Text("Policy")
	var document struct{ Statement json.RawMessage }
	switch {
	case len(policy) > maxPolicy:
		return awsapi.Fail(invalidArgument, "A policy has at most %d bytes.", maxPolicy)
	case json.Unmarshal([]byte(policy), &document) != nil || document.Statement == nil:
		return awsapi.Fail(invalidArgument, "The policy is no JSON document with statements.")
	}
	return a.edit(ctx, r, func(own *own) error {
		own.Policy = policy
		return nil
	})
}
