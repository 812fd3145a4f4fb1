package kinesisapi

import (
	"context"
	"encoding/json"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// UpdateAccountSettings begins or ends the commitment to a minimum
// throughput. One that is younger than 24 hours ends when it is that old.
//
// ValidationException.

func updateAccountSettingsInput() []awsapi.Field {
	return []awsapi.Field{{Name: "MinimumThroughputBillingCommitment", Type: awsapi.Structure, Rules: []awsapi.Rule{awsapi.NotNull()},
		Fields: []awsapi.Field{text("Status", awsapi.NotNull(), awsapi.OneOf(enabled, disabled))}}}
}

func (a *API) updateAccountSettings(ctx context.Context, c *awsapi.Call) error {
	wanted := c.In.Inner("MinimumThroughputBillingCommitment").Text("Status")
	for {
		now, version, err := a.account(ctx)
		if err != nil {
			return err
		}
		next := now.become(wanted, a.now().Unix())
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		expect := shardlog.At(version) // zero: there is no row yet
		err = a.tokens.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: accountKey, Value: text, Expect: expect})
		if err == nil {
			putCommitment(&c.Out, next)
			return nil
		}
		if shardlog.KindOf(err) != shardlog.Conflict {
			return err
		}
	}
}

// become is the commitment once enabled or disabled is wanted of it.
func (c commitment) become(wanted string, now int64) commitment {
	switch {
	case wanted == enabled && c.Status == disabled:
		return commitment{Status: enabled, Started: now}
	case wanted == enabled:
		return commitment{Status: enabled, Started: c.Started}
	case c.Status == disabled:
		return c
	case now < c.earliestEnd().Unix():
		return commitment{Status: ending, Started: c.Started}
	}
	return commitment{Status: disabled, Started: c.Started, Ended: now}
}
