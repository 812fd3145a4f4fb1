package kinesisapi

import (
	"context"
	"slices"

	"headgate/gateway/awsapi"
)

// DisableEnhancedMonitoring forgets shard-level metrics.
//
// ResourceNotFoundException.

func disableEnhancedMonitoringInput() []awsapi.Field { return enableEnhancedMonitoringInput() }

func (a *API) disableEnhancedMonitoring(ctx context.Context, c *awsapi.Call) error {
	return a.monitor(ctx, c, func(now, named []string) []string {
		return slices.DeleteFunc(now, func(m string) bool { return slices.Contains(named, m) })
	})
}
