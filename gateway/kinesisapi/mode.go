package kinesisapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// The modes of a stream's capacity.
const (
	provisioned = "PROVISIONED" // shards are the owner's to split and merge
	onDemand    = "ON_DEMAND"   // and here the gateway's
)

// leastOnDemand is how many shards an on-demand stream begins with and never
// goes below.
const leastOnDemand = 4

// maxSwitches is how often a stream's mode may be switched in a day.
const maxSwitches = 2

// maxWarm is the largest warm throughput there is, in MiB/s.
const maxWarm = 10 << 10

// mode is the stream's mode by its name.
func (s *settings) mode() string {
	if s.Mode == onDemand {
		return onDemand
	}
	return provisioned
}

func streamMode() awsapi.Field {
	return awsapi.Field{Name: "StreamModeDetails", Type: awsapi.Structure, Fields: []awsapi.Field{
		text("StreamMode", awsapi.NotNull(), awsapi.OneOf(provisioned, onDemand)),
	}}
}

func warmThroughput() awsapi.Field {
	return integer("WarmThroughputMiBps", awsapi.Least(0), awsapi.Most(maxWarm))
}

// ownShards refuses to change by hand what the gateway scales.
func (a *API) ownShards(ctx context.Context, stream shardlog.Stream) error {
	s, err := a.settingsOf(ctx, stream.ID)
	if err != nil {
		return &about{stream.Name, err}
	}
	if s.Mode == onDemand {
		return awsapi.Invalid("Request is invalid. Stream %s under account %s is in On-Demand mode.", stream.Name, awsapi.Account)
	}
	return nil
}

// checkWarm refuses a warm throughput that the stream cannot have.
func (a *API) checkWarm(ctx context.Context, mode string, warm int) error {
	if warm == 0 {
		return nil
	}
	if mode != onDemand {
		return awsapi.Invalid("WarmThroughputMiBps is for streams in ON_DEMAND mode.")
	}
	account, _, err := a.account(ctx)
	if err != nil {
		return err
	}
	if account.Status == disabled {
		return awsapi.Invalid("WarmThroughputMiBps needs the account's minimum throughput billing commitment. See UpdateAccountSettings.")
	}
	if warm > shardlog.MaxShardsByStream {
		return awsapi.Fail(limitExceeded, "A stream has at most %d shards of 1 MiB/s each.", shardlog.MaxShardsByStream)
	}
	return nil
}

// warmUp gives a stream the shards for its warm throughput. Fewer are the
// scaling's business, when the stream is quiet.
func (a *API) warmUp(ctx context.Context, stream shardlog.Stream, warm int) error {
	if now := len(openShards(stream)); warm <= now {
		return nil
	}
	if err := a.scale(ctx, stream.Name, warm); err != nil {
		return &about{stream.Name, err}
	}
	return nil
}

func putMode(out *awsapi.Reply, s settings) {
	out.Open("StreamModeDetails")
	out.Text("StreamMode", s.mode())
	out.Close()
}

func putWarm(out *awsapi.Reply, stream shardlog.Stream, s settings) {
	out.Open("WarmThroughput")
	out.Int("TargetMiBps", int64(s.Warm))
	out.Int("CurrentMiBps", int64(len(openShards(stream)))*shardlog.ShardBytesIn>>20)
	out.Close()
}
