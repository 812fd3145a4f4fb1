package downlink_test

import (
	"slices"
	"testing"

	"headgate/ingest/downlink"
	"headgate/shardlog"
)

// TestSettledBeforeItIsReadPast: a message that was sent over an earlier
// connection is answered before the session, which begins to read in front of
// it, has come that far. If it goes on elsewhere now, the message is not new there.
func TestSettledBeforeItIsReadPast(t *testing.T) {
	shard := shardlog.ShardID{Number: 1}
	a, b, c := downlink.Place{Shard: shard, Seq: 7}, downlink.Place{Shard: shard, Seq: 8}, downlink.Place{Shard: shard, Seq: 9}
	in := downlink.NewFollower(downlink.Config{}).Open("dev", func() {})
	in.Settle([]downlink.Unanswered{{ID: 1, Place: a}, {ID: 2, Place: b}}, []downlink.Place{c})
	in.Done(a)
	if done := in.Beyond(); !slices.Contains(done, a) || slices.Contains(done, b) || !slices.Contains(done, c) || len(done) != 2 {
		t.Errorf("done: %v", done)
	}
	in.Done(b)
	if done := in.Beyond(); len(done) != 3 {
		t.Errorf("done: %v", done)
	}
}
