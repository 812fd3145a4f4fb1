package kinesisapi

import (
	"context"
	"errors"
	"strings"

	"headgate/gateway/access"
	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// PutResourcePolicy sets the policy of a stream or a consumer, in place of the
// one before.
//
// InvalidArgumentException: it is no policy of IAM, not about the resource, or
// says what is not known here. ResourceNotFoundException.

func putResourcePolicyInput() []awsapi.Field {
	return []awsapi.Field{resourceARN(), required(text("Policy"))}
}

func (a *API) putResourcePolicy(ctx context.Context, c *awsapi.Call) error {
	r, err := a.findResource(ctx, c.In)
	if err != nil {
		return err
	}
	policy, name := c.In.Text("Policy"), arn(c.Caller.Region, r.stream.Name)
	if r.consumer != nil {
		name = consumerARN(c.Caller.Region, r.stream.Name, *r.consumer)
	}
	if _, err := access.ParseResourcePolicy(policy, name); err != nil {
		return awsapi.Fail(invalidArgument, "The policy is not valid: %s.", reason(err))
	}
	return a.edit(ctx, r, func(own *own) error {
		own.Policy = policy
		return nil
	})
}

// reason is what is wrong, without who found it.
func reason(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*shardlog.Error](err); ok && e.Err != nil {
		text = strings.Replace(text, e.Error(), e.Err.Error(), 1)
	}
	return text
}
