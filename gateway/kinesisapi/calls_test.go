package kinesisapi_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// TestCallsASecond: of one stream, of all together, and not at all where the
// limits are off.
func TestCallsASecond(t *testing.T) {
	h := open(t, quota.Limits{})
	h.clock.freeze()
	c, ctx := h.client(once), t.Context()
	for _, name := range []shardlog.StreamName{"s", "other"} {
		if err := h.log.CreateStream(ctx, shardlog.StreamSpec{Name: name, Shards: 1}); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(name string) error {
		_, err := c.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: &name, RetentionPeriodHours: aws.Int32(48)})
		return err
	}
	list := func() error {
		_, err := c.ListStreams(ctx, &kinesis.ListStreamsInput{})
		return err
	}
	for range 5 {
		for _, err := range []error{keep("s"), list()} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	wantError(t, keep("s"), "LimitExceededException", "Rate exceeded for stream s under account 000000000000.")
	wantError(t, list(), "LimitExceededException", "Rate exceeded for account 000000000000.")
	if err := keep("other"); err != nil {
		t.Errorf("another stream: %v", err)
	}
	h.clock.advance(200 * time.Millisecond)
	for _, err := range []error{keep("s"), list()} {
		if err != nil {
			t.Errorf("a fifth of a second later: %v", err)
		}
	}
	free := open(t, quota.Limits{Off: true}).client(once)
	for range 50 {
		if _, err := free.ListStreams(ctx, &kinesis.ListStreamsInput{}); err != nil {
			t.Fatal(err)
		}
	}
}
