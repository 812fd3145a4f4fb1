package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DescribeAccountSettings tells of the commitment to a minimum throughput.

func describeAccountSettingsInput() []awsapi.Field { return nil }

func (a *API) describeAccountSettings(ctx context.Context, c *awsapi.Call) error {
	now, _, err := a.account(ctx)
	if err != nil {
		return err
	}
	putCommitment(&c.Out, now)
	return nil
}
