package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// StopStreamEncryption forgets what StartStreamEncryption noted.
//
// LimitExceededException: 25 changes in 24 hours. InvalidArgumentException,
// ResourceNotFoundException, AccessDeniedException (_names).

func (a *API) stopStreamEncryption(ctx context.Context, c *awsapi.Call) error {
	return a.encrypt(ctx, c, "")
}
