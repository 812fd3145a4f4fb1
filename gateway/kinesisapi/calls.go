package kinesisapi

import (
	"context"
	"strings"
	"sync"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// calls holds how often the operations that look at streams and change them
// were called lately. Each gateway counts its own.
type calls struct {
	mu     sync.Mutex
	lately lately[called, quota.Read] // guarded by mu
}

// called is what a rate is counted by.
type called struct {
	operation string
	stream    shardlog.StreamName // "": all streams together
}

// allowance is how many calls of an operation are answered in a second: of
// each stream, or of all of them together.
type allowance struct {
	calls int
	each  bool
}

// allowances are Kinesis's (developer guide, "Quotas and limits"). An
// operation that is not here is not counted, or by the shard.
func allowances() map[string]allowance {
	return map[string]allowance{
		"CreateStream": {5, false}, "DeleteStream": {5, false}, "ListStreams": {5, false},
		"DescribeStream": {10, false}, "DescribeStreamSummary": {20, false}, "DescribeLimits": {1, false},
		"ListShards": {1000, true}, "SplitShard": {5, false}, "MergeShards": {5, false}, "UpdateShardCount": {10, false},
		"AddTagsToStream": {5, false}, "RemoveTagsFromStream": {5, false}, "ListTagsForStream": {5, false},
		"IncreaseStreamRetentionPeriod": {5, true}, "DecreaseStreamRetentionPeriod": {5, true},
		"EnableEnhancedMonitoring": {5, true}, "DisableEnhancedMonitoring": {5, true},
		"RegisterStreamConsumer": {5, true}, "DeregisterStreamConsumer": {5, true},
		"DescribeStreamConsumer": {20, true}, "ListStreamConsumers": {5, true},
		"PutResourcePolicy": {5, false}, "GetResourcePolicy": {5, false}, "DeleteResourcePolicy": {5, false},
		"UpdateStreamWarmThroughput": {5, false}, "DescribeAccountSettings": {5, false}, "UpdateAccountSettings": {5, false},
		"CreateChannel": {5, false}, "DescribeChannel": {5, false}, "UpdateChannel": {5, false}, "DeleteChannel": {5, false}, "ListChannels": {5, false},
	}
}

func newCalls() *calls {
	most := allowances()
	c := &calls{}
	c.lately.fresh = func(key called) quota.Read {
		return quota.Read{Limits: quota.Limits{ReadsOut: most[key.operation].calls}}
	}
	return c
}

// admit counts a call; false when it is one too many.
func (c *calls) admit(now time.Time, key called) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lately.of(now, key).Admit(now) == nil
}

// counted is the operation with its rate kept.
func (a *API) counted(name string, op awsapi.Operation) awsapi.Operation {
	allowed, ok := allowances()[name]
	if !ok || a.rates.limits.Off {
		return op
	}
	do := op.Do
	op.Do = func(ctx context.Context, c *awsapi.Call) error {
		of := a.meant(c.In)
		key := called{operation: name}
		if allowed.each {
			key.stream = of
		}
		switch {
		case a.calls.admit(a.now(), key):
			return do(ctx, c)
		case of != "":
			return awsapi.Fail(limitExceeded, "Rate exceeded for stream %s under account %s.", of, awsapi.Account)
		}
		return awsapi.Fail(limitExceeded, "Rate exceeded for account %s.", awsapi.Account)
	}
	return op
}

// meant is the stream that a request is about, "" when it names none that is
// there: names that nobody keeps must not be counted, or they would fill the memory.
func (a *API) meant(in awsapi.Input) shardlog.StreamName {
	byARN, _, _ := strings.Cut(in.Text("StreamARN")+in.Text("ConsumerARN")+in.Text("ResourceARN"), "/consumer/")
	name, err := identify(shardlog.StreamName(in.Text("StreamName")), byARN)
	if err != nil {
		return ""
	}
	stream, _ := a.catalog.Stream(name)
	return stream.Name
}
