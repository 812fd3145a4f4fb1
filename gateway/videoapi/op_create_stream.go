package videoapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// CreateStream makes a stream, ACTIVE when the call returns.
//
// Footage is kept for DataRetentionInHours; for a day when none are given,
// where AWS keeps nothing: this gateway always stores what it acknowledges.
// Fewer than 24 hours are refused, and so is what it would not do (a KMS key).
//
// ResourceInUseException, InvalidArgumentException,
// AccountStreamLimitExceededException.

func createStreamInput() []awsapi.Field {
	return []awsapi.Field{
		streamName(awsapi.NotNull()),
		text("DeviceName", awsapi.Pattern(`[a-zA-Z0-9_.-]+`), awsapi.Shortest(1), awsapi.Longest(128)),
		text("MediaType", awsapi.Shortest(1), awsapi.Longest(128)),
		text("KmsKeyId", awsapi.Shortest(1), awsapi.Longest(2048)),
		integer("DataRetentionInHours", awsapi.Least(0)),
		tagsField("Tags"),
	}
}

func (a *API) createStream(ctx context.Context, c *awsapi.Call) error {
	in := c.In
	name := shardlog.StreamName(in.Text("StreamName"))
	hours := in.Int("DataRetentionInHours", 0)
	switch {
	case name.Own():
		return invalid("Streams whose names begin with an underscore are the gateway's own.")
	case in.Has("KmsKeyId"):
		return invalid("KmsKeyId is not offered by this gateway.")
	}
	if err := checkHours(hours); hours != 0 && err != nil {
		return err
	}
	tags, err := tagsOf(in.Map("Tags"))
	if err != nil {
		return err
	}
	spec := shardlog.StreamSpec{Name: name, Shards: 1, Class: shardlog.Video, Retention: time.Duration(hours) * time.Hour}
	if err := a.config.Control.CreateStream(ctx, spec); err != nil {
		return err
	}
	s, ok := a.config.Catalog.Stream(name)
	if !ok { // deleted meanwhile
		return noStream(name)
	}
	if in.Has("DeviceName") || in.Has("MediaType") || len(tags) > 0 {
		err := a.change(ctx, s, func(i *info) error {
			*i = info{ID: s.ID, Device: in.Text("DeviceName"), Media: in.Text("MediaType"), Tags: tags}
			return nil
		})
		if err != nil {
			return err
		}
	}
	c.Out.Open("")
	c.Out.Text("StreamARN", arn(c.Caller.Region, s))
	c.Out.Close()
	return nil
}

// checkHours refuses a retention that streams cannot have.
func checkHours(hours int) error {
	least, most := int(shardlog.DefaultRetention/time.Hour), int(shardlog.MaxRetention/time.Hour)
	if hours < least || hours > most {
		return invalid("This gateway keeps footage for %d to %d hours.", least, most)
	}
	return nil
}
