package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// DeleteStream deletes a stream and its records at once.
//
// ResourceNotFoundException, AccessDeniedException (_names),
// ResourceInUseException (it has channels, or consumers that are not to go with it).

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
	if consumers := a.consumersOf(ctx, stream.ID); len(consumers) > 0 {
		if !c.In.Bool("EnforceConsumerDeletion") {
			return awsapi.Fail(resourceInUse, "Stream %s under account %s has consumers. Specify EnforceConsumerDeletion to delete them too.", stream.Name, awsapi.Account)
		}
		for _, one := range consumers {
			if err := a.tokens.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: consumerKey(stream.ID, one.Name)}); err != nil {
				return &about{stream.Name, err}
			}
			a.subscriptions.end(stream.ID, one.Name)
		}
	}
	if err := a.control.DeleteStream(ctx, stream.Name); err != nil {
		return &about{stream.Name, err}
	}
	if err := a.tokens.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: settingsKey(stream.ID)},
		shardlog.Mutation{Space: space, Key: registrations(stream.ID)}); err != nil {
		return &about{stream.Name, err}
	}
	return nil
}
