package kinesisapi

import (
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// putStream appends what describes a stream in every answer: the gateway
// makes and changes streams at once, so that each is ACTIVE.
func putStream(out *awsapi.Reply, region string, s shardlog.Stream, set settings) {
	out.Text("StreamName", string(s.Name))
	out.Text("StreamARN", arn(region, s.Name))
	out.Text("StreamStatus", "ACTIVE")
	putMode(out, set)
	out.Time("StreamCreationTimestamp", s.Created)
}

// putSettings appends what both descriptions say besides.
func putSettings(out *awsapi.Reply, s shardlog.Stream, set settings) {
	out.Int("RetentionPeriodHours", int64(s.Retention/time.Hour))
	out.List("EnhancedMonitoring")
	out.Open("")
	putMetrics(out, "ShardLevelMetrics", set.Metrics)
	out.Close()
	out.EndList()
	if set.Key == "" {
		out.Text("EncryptionType", "NONE")
		return
	}
	out.Text("EncryptionType", "KMS")
	out.Text("KeyId", set.Key)
}

// putShards appends a list of shards.
func putShards(out *awsapi.Reply, shards []shardlog.Shard) {
	out.List("Shards")
	for _, s := range shards {
		out.Open("")
		out.EndQuote(appendShard(out.Quote("ShardId"), s.ID.Number))
		if s.Parent != nil {
			out.EndQuote(appendShard(out.Quote("ParentShardId"), *s.Parent))
		}
		if s.Adjacent != nil {
			out.EndQuote(appendShard(out.Quote("AdjacentParentShardId"), *s.Adjacent))
		}
		putRange(out, s)
		out.Open("SequenceNumberRange")
		out.EndQuote(s.First().Append(out.Quote("StartingSequenceNumber")))
		if s.Closed {
			out.EndQuote(s.Last().Append(out.Quote("EndingSequenceNumber")))
		}
		out.Close()
		out.Close()
	}
	out.EndList()
}

func putRange(out *awsapi.Reply, s shardlog.Shard) {
	out.Open("HashKeyRange")
	out.Text("StartingHashKey", s.From.String())
	out.Text("EndingHashKey", s.To.String())
	out.Close()
}

// shardsAfter is the shards whose name sorts behind start, all for "".
func shardsAfter(shards []shardlog.Shard, start string) []shardlog.Shard {
	if start == "" {
		return shards
	}
	if number, ok := parseShard(start); ok {
		start = shardName(number)
	}
	for i := range shards {
		if shardName(shards[i].ID.Number) > start {
			return shards[i:]
		}
	}
	return nil
}
