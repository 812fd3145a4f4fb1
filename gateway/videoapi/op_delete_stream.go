package videoapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// DeleteStream deletes a stream and its footage at once.
//
// ResourceNotFoundException, VersionMismatchException,
// InvalidArgumentException.

func deleteStreamInput() []awsapi.Field {
	return []awsapi.Field{streamARN(awsapi.NotNull()), version("CurrentVersion")}
}

func (a *API) deleteStream(ctx context.Context, c *awsapi.Call) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	if err := checkVersion(c.In, s); err != nil {
		return err
	}
	if err := a.config.States.Mutate(ctx, shardlog.Mutation{Space: space, Key: infoKey(s)}); err != nil {
		return err
	}
	a.mu.Lock()
	delete(a.torn, s.Name)
	a.mu.Unlock()
	return a.config.Remove(ctx, s.Name)
}
