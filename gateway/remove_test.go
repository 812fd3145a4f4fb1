package gateway

import (
	"context"
	"testing"

	"headgate/shardlog"
)

// The first try got as far as the list of members: the second, which finds
// nobody there, notes that the gateway was removed.
func TestARemovalThatWasBrokenOffIsNoted(t *testing.T) {
	const id = "0123456789abcdef"
	c := Defaults()
	c.Data, c.API, c.MQTT, c.Console, c.Log.Level, c.Peer = t.TempDir(), "127.0.0.1:0", "off", "off", "error", "127.0.0.1:0"
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	<-g.Ready()
	if err := g.removePeer(ctx, removal{ID: id}); err == nil || shardlog.KindOf(err) != shardlog.NotFound {
		t.Fatalf("a gateway that is not there: %v", err)
	}
	if !g.isRemoved(id) {
		t.Fatal("it may come back")
	}
}
