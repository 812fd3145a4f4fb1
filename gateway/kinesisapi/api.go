// Package kinesisapi is the Kinesis Data Streams API over the shard log: one
// file per operation. It knows Kinesis's words, limits and texts; it does not
// know how records are stored, nor how requests travel (package awsapi).
//
// Streams whose name begins with an underscore are the gateway's own: clients
// may read and list them, and do nothing else to them.
package kinesisapi

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// Config is what an API needs.
type Config struct {
	Writer  shardlog.Writer
	Reader  shardlog.Reader
	Catalog shardlog.Catalog
	Control shardlog.Control
	States  shardlog.States
	// Channels are deliveries under Kinesis's name for them. Nil: there are none,
	// and the operations on them are unknown.
	Channels Channels
	// Tip asks the site's leader where a shard ends, for LATEST. Nil: what has
	// been applied here is the end.
	Tip func(ctx context.Context, shard shardlog.ShardID) (shardlog.Seq, error)
	// Now tells the time by which iterators and tokens age. Nil: time.Now.
	Now func() time.Time
	// Limits says what one shard gives to polling readers in a second. Its
	// write limits are not used here: the Writer has its own.
	Limits quota.Limits
	// Allowance is how far the clocks of the site's gateways may lie apart:
	// tokens live that much longer.
	Allowance time.Duration
}

// Validate answers what is missing.
func (c *Config) Validate() error {
	if c.Writer == nil || c.Reader == nil || c.Catalog == nil || c.Control == nil || c.States == nil {
		return errors.New("kinesis api: writer, reader, catalog, control and states are all needed")
	}
	return c.Limits.Validate()
}

// API is the Kinesis Data Streams API. It is safe for concurrent use.
type API struct {
	writer   shardlog.Writer
	reader   shardlog.Reader
	catalog  shardlog.Catalog
	control  shardlog.Control
	channels Channels                                                                // nil: there are none
	tip      func(ctx context.Context, shard shardlog.ShardID) (shardlog.Seq, error) // nil: the catalog knows
	now      func() time.Time
	tokens   tokens
	rates    *rates
	calls    *calls
	traffic  traffic
	policies policies
	meters   meters
	pace     pace

	turn atomic.Uint32 // of AUTO streams: which shard begins the next call

	subscriptions subscriptions
	events        events
}

// New makes an API.
func New(c Config) (*API, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	a := &API{writer: c.Writer, reader: c.Reader, catalog: c.Catalog, control: c.Control, channels: c.Channels, tip: c.Tip, now: c.Now}
	if a.now == nil {
		a.now = time.Now
	}
	a.rates, a.calls = newRates(c.Limits), newCalls()
	a.tokens = tokens{states: c.States, life: tokenLife + c.Allowance, now: a.now}
	return a, nil
}

// Service is the API as a door serves it.
func (a *API) Service() awsapi.Service {
	s := awsapi.Service{
		Target:  "Kinesis_20131202",
		Signing: "kinesis",
		Needs:   a.needs,
		Explain: explain,
		Ops: map[string]awsapi.Operation{
			"CreateStream":                           {Input: createStreamInput(), Do: a.createStream},
			"DeleteStream":                           {Input: deleteStreamInput(), Do: a.deleteStream},
			"DescribeStream":                         {Input: describeStreamInput(), Do: a.describeStream},
			"DescribeStreamSummary":                  {Input: describeStreamSummaryInput(), Do: a.describeStreamSummary},
			"GetRecords":                             {Input: getRecordsInput(), Do: a.getRecords},
			"GetShardIterator":                       {Input: getShardIteratorInput(), Do: a.getShardIterator},
			"ListShards":                             {Input: listShardsInput(), Do: a.listShards},
			"MergeShards":                            {Input: mergeShardsInput(), Do: a.mergeShards},
			"SplitShard":                             {Input: splitShardInput(), Do: a.splitShard},
			"UpdateShardCount":                       {Input: updateShardCountInput(), Do: a.updateShardCount},
			"ListStreams":                            {Input: listStreamsInput(), Do: a.listStreams},
			"DeregisterStreamConsumer":               {Input: deregisterStreamConsumerInput(), Do: a.deregisterStreamConsumer},
			"DescribeStreamConsumer":                 {Input: describeStreamConsumerInput(), Do: a.describeStreamConsumer},
			"ListStreamConsumers":                    {Input: listStreamConsumersInput(), Do: a.listStreamConsumers},
			"RegisterStreamConsumer":                 {Input: registerStreamConsumerInput(), Do: a.registerStreamConsumer},
			"SubscribeToShard":                       {Input: subscribeToShardInput(), Flow: a.subscribeToShard},
			"IncreaseStreamRetentionPeriod":          {Input: increaseStreamRetentionPeriodInput(), Do: a.increaseStreamRetentionPeriod},
			"DecreaseStreamRetentionPeriod":          {Input: decreaseStreamRetentionPeriodInput(), Do: a.decreaseStreamRetentionPeriod},
			"AddTagsToStream":                        {Input: addTagsToStreamInput(), Do: a.addTagsToStream},
			"RemoveTagsFromStream":                   {Input: removeTagsFromStreamInput(), Do: a.removeTagsFromStream},
			"ListTagsForStream":                      {Input: listTagsForStreamInput(), Do: a.listTagsForStream},
			"TagResource":                            {Input: tagResourceInput(), Do: a.tagResource},
			"UntagResource":                          {Input: untagResourceInput(), Do: a.untagResource},
			"ListTagsForResource":                    {Input: listTagsForResourceInput(), Do: a.listTagsForResource},
			"EnableEnhancedMonitoring":               {Input: enableEnhancedMonitoringInput(), Do: a.enableEnhancedMonitoring},
			"DisableEnhancedMonitoring":              {Input: disableEnhancedMonitoringInput(), Do: a.disableEnhancedMonitoring},
			"StartStreamEncryption":                  {Input: startStreamEncryptionInput(), Do: a.startStreamEncryption},
			"StopStreamEncryption":                   {Input: startStreamEncryptionInput(), Do: a.stopStreamEncryption},
			"UpdateMaxRecordSize":                    {Input: updateMaxRecordSizeInput(), Do: a.updateMaxRecordSize},
			"UpdateStreamMode":                       {Input: updateStreamModeInput(), Do: a.updateStreamMode},
			"UpdateStreamWarmThroughput":             {Input: updateStreamWarmThroughputInput(), Do: a.updateStreamWarmThroughput},
			"UpdateStreamRecordDistributionStrategy": {Input: updateStreamRecordDistributionStrategyInput(), Do: a.updateStreamRecordDistributionStrategy},
			"DescribeAccountSettings":                {Input: describeAccountSettingsInput(), Do: a.describeAccountSettings},
			"UpdateAccountSettings":                  {Input: updateAccountSettingsInput(), Do: a.updateAccountSettings},
			"PutResourcePolicy":                      {Input: putResourcePolicyInput(), Do: a.putResourcePolicy},
			"GetResourcePolicy":                      {Input: getResourcePolicyInput(), Do: a.getResourcePolicy},
			"DeleteResourcePolicy":                   {Input: getResourcePolicyInput(), Do: a.deleteResourcePolicy},
			"DescribeLimits":                         {Input: describeLimitsInput(), Do: a.describeLimits},
			"PutRecord":                              {Input: putRecordInput(), Do: a.putRecord},
			"PutRecords":                             {Input: putRecordsInput(), Fast: fastPutRecords, Do: a.putRecords},
		},
	}
	if a.channels != nil {
		maps.Copy(s.Ops, map[string]awsapi.Operation{
			"CreateChannel":   {Input: createChannelInput(), Do: a.createChannel},
			"DeleteChannel":   {Input: deleteChannelInput(), Do: a.deleteChannel},
			"DescribeChannel": {Input: describeChannelInput(), Do: a.describeChannel},
			"ListChannels":    {Input: listChannelsInput(), Do: a.listChannels},
			"UpdateChannel":   {Input: updateChannelInput(), Do: a.updateChannel},
		})
	}
	a.permit(s.Ops)
	for name, op := range s.Ops {
		s.Ops[name] = a.counted(name, op)
	}
	return s
}
