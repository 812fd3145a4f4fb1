package gateway_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"headgate/gateway"
)

// TestATailFollowsTheChildren splits and merges by the command line's door
// while somebody follows the stream.
func TestATailFollowsTheChildren(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) { c.Open = true })
	admin := gateway.Dial(filepath.Dir(g.Addresses().Socket))
	if _, err := admin.CreateStream(t.Context(), "s", gateway.StreamSpec{Shards: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	seen := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- admin.Tail(ctx, gateway.TailQuery{Stream: "s", Follow: true}, func(r gateway.TailRecord) error {
			seen <- string(r.Data)
			return nil
		})
	}()
	put := func(text string) {
		t.Helper()
		if _, err := admin.Put(ctx, "s", []gateway.PutRecord{{Key: "k", Data: []byte(text)}}); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-seen:
			if got != text {
				t.Errorf("%s came, not %s", got, text)
			}
		case <-ctx.Done():
			t.Fatalf("%s does not come", text)
		}
	}
	put("before")
	d, err := admin.SplitShard(ctx, "s", "0")
	if err != nil || len(d.Shards) != 3 || !d.Shards[0].Closed {
		t.Fatalf("%+v, %v", d, err)
	}
	put("after the split")
	if d, err = admin.MergeShards(ctx, "s", "1", "shardId-000000000002"); err != nil || len(d.Shards) != 4 {
		t.Fatalf("%+v, %v", d, err)
	}
	if d.Shards[3].From != d.Shards[0].From || d.Shards[3].To != d.Shards[0].To {
		t.Errorf("%+v", d.Shards)
	}
	put("after the merge")
	if _, err := admin.SplitShard(ctx, "s", "0"); err == nil {
		t.Error("a closed shard was split")
	}
	stop()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
