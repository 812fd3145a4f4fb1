package videoapi

import (
	"context"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// DescribeStream describes a stream.
//
// ResourceNotFoundException, InvalidArgumentException.

func describeStreamInput() []awsapi.Field { return []awsapi.Field{streamName(), streamARN()} }

func (a *API) describeStream(ctx context.Context, c *awsapi.Call) error {
	s, err := a.findIn(c.In)
	if err != nil {
		return err
	}
	c.Out.Open("")
	if err := a.putStream(ctx, c, "StreamInfo", s); err != nil {
		return err
	}
	c.Out.Close()
	return nil
}

// putStream appends what describes a stream.
func (a *API) putStream(ctx context.Context, c *awsapi.Call, name string, s shardlog.Stream) error {
	i, _, err := a.info(ctx, s)
	if err != nil {
		return err
	}
	out := &c.Out
	out.Open(name)
	if i.Device != "" {
		out.Text("DeviceName", i.Device)
	}
	out.Text("StreamName", string(s.Name))
	out.Text("StreamARN", arn(c.Caller.Region, s))
	if i.Media != "" {
		out.Text("MediaType", i.Media)
	}
	out.Text("Version", versionOf(s))
	out.Text("Status", "ACTIVE")
	out.Time("CreationTime", s.Created)
	out.Int("DataRetentionInHours", int64(s.Retention/time.Hour))
	out.Close()
	return nil
}
