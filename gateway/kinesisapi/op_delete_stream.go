package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// DeleteStream deletes a stream and its records at once.
//
// ResourceNotFoundException, AccessDeniedException (_names),
// ResourceInUseException (it has channels).

func deleteStreamInput() []awsapi.Field {
	return []awsapi.Field{streamName(), streamARN(), boolean("EnforceConsumerDeletion")}
}

func (a *API) deleteStream(ctx context.Context, c *awsapi.Call) error {
	stream, err := a.find(c.In)
	if err != nil {
		return err
	}
	if err := changeable(stream.Name); err != nil {
		return err
	}
	if of, err := a.channelsOf(ctx, stream.Name); err != nil || len(of) > 0 {
		if err == nil {
			err = awsapi.Fail(resourceInUse, "Stream %s under account %s has channels: delete them first.", stream.Name, awsapi.Account)
		}
		return err
	}
	if err := a.control.DeleteStream(ctx, stream.Name); err != nil {
		return &about{stream.Name, err}
	}
	return nil
}
