package dynamoapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// UpdateContinuousBackups notes that backups are wanted: every gateway of the
// site has a copy, and that is all there is.
//
// ResourceNotFoundException.

type updateContinuousBackupsInput struct {
	TableName                        string
	PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }
}

type status struct{ PointInTimeRecoveryStatus string }

type backupsOutput struct {
	ContinuousBackupsDescription struct {
		ContinuousBackupsStatus        string
		PointInTimeRecoveryDescription status
	}
}

func (a *API) updateContinuousBackups(ctx context.Context, _ *awsapi.Call, in *updateContinuousBackupsInput) (backupsOutput, error) {
	t, err := a.change(ctx, in.TableName, func(t *table) error {
		t.Backups = in.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled
		return nil
	})
	return t.backups(), err
}

func (t *table) backups() (out backupsOutput) {
	d := &out.ContinuousBackupsDescription
	d.ContinuousBackupsStatus, d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus = "ENABLED", "DISABLED"
	if t.Backups {
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus = "ENABLED"
	}
	return out
}
