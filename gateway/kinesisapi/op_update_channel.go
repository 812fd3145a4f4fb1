package kinesisapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// UpdateChannel changes how long records wait for company.
//
// ResourceNotFoundException. ResourceInUseException: it is being changed or
// deleted. InvalidArgumentException: what this gateway does not have, by name.

func updateChannelInput() []awsapi.Field {
	s3 := awsapi.Field{Name: "S3DestinationConfiguration", Type: awsapi.Structure, Fields: []awsapi.Field{freshness()}}
	return []awsapi.Field{channelARNField(), s3, loggingInput(), {Name: "S3TablesDestinationConfiguration", Type: awsapi.Structure}}
}

func (a *API) updateChannel(ctx context.Context, c *awsapi.Call) error {
	found, err := a.channel(ctx, c.In)
	if err != nil {
		return err
	}
	switch {
	case c.In.Has("S3TablesDestinationConfiguration"):
		return unsupported("S3TablesDestinationConfiguration", "S3DestinationConfiguration is what there is")
	case c.In.Inner("LoggingConfiguration").Inner("CloudWatchLogs").Bool("Enabled"):
		return unsupported("LoggingConfiguration", "there is no CloudWatch here; headgate delivery list shows errors")
	case found.Deleting:
		return awsapi.Fail(resourceInUse, "Channel %s under account %s is being deleted.", found.Name, awsapi.Account)
	}
	if s3 := c.In.Inner("S3DestinationConfiguration"); s3.Has("DataFreshnessInSeconds") {
		found.Freshness = time.Duration(s3.Int("DataFreshnessInSeconds", defaultFreshness)) * time.Second
	}
	if err := a.channels.UpdateChannel(ctx, found); err != nil {
		if shardlog.KindOf(err) == shardlog.Conflict {
			return awsapi.Fail(resourceInUse, "Channel %s under account %s is being changed.", found.Name, awsapi.Account)
		}
		return err
	}
	c.Out.Open("")
	if err := a.putChannel(&c.Out, c.Caller.Region, found); err != nil {
		return err
	}
	c.Out.Close()
	return nil
}
