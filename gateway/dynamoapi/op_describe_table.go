package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DescribeTable describes a table. Its counts are as of now.
//
// ResourceNotFoundException.

type named struct{ TableName string }

type describeTableOutput struct{ Table description }

func (a *API) describeTable(ctx context.Context, c *awsapi.Call, in *named) (out describeTableOutput, err error) {
	t, _, err := a.table(ctx, in.TableName)
	if err != nil {
		return out, err
	}
	out.Table = a.describe(ctx, t, c.Caller.Region, "ACTIVE")
	return out, nil
}
