package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DescribeContinuousBackups tells what UpdateContinuousBackups noted.
//
// ResourceNotFoundException.

func (a *API) describeContinuousBackups(ctx context.Context, _ *awsapi.Call, in *named) (backupsOutput, error) {
	t, _, err := a.table(ctx, in.TableName)
	return t.backups(), err
}
