package mqtt_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// electing is state without a quorum for a while, in which what was written
// just before is not known yet.
type electing struct {
	shardlog.States
	old   []byte // the session as it was known
	until atomic.Pointer[time.Time]
}

func (e *electing) over() bool {
	until := e.until.Load()
	return until == nil || time.Now().After(*until)
}

func (e *electing) Get(ctx context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error) {
	value, version, err := e.States.Get(ctx, space, key)
	if space == "mqtt.session" && !e.over() {
		value = e.old
	}
	return value, version, err
}

func (e *electing) Mutate(ctx context.Context, all ...shardlog.Mutation) error {
	if !e.over() {
		return shardlog.Errorf(shardlog.Unavailable, "mutate", "nobody leads")
	}
	return e.States.Mutate(ctx, all...)
}

// TestAnElectionIsWaitedOut: the gateway that dies has kept that the device has
// the message; the one that it comes to knows that only when a leader is elected.
func TestAnElectionIsWaitedOut(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", lasting)
	c.subscribed(2, "cmd")
	sender, _ := r.login(t, 4, "sender", nil)
	sender.send(publish(1, 2, "cmd", "x"))
	sender.want(packets.Pubrec, 1, 0)
	id := c.hears("x", false)
	old, _, err := r.log.Get(t.Context(), "mqtt.session", "dev")
	if err != nil {
		t.Fatal(err)
	}
	c.send(answer(packets.Pubrec, id))
	c.want(packets.Pubrel, id, 0)
	e := &electing{States: r.log, old: old}
	r.serve(t, func(_ *rig, c *mqtt.Config) { c.Gateway, c.States = 2, e })
	r.login(t, 4, "other", nil) // it is up
	until := time.Now().Add(time.Second)
	e.until.Store(&until)
	c, _ = r.login(t, 5, "dev", lasting)
	c.want(packets.Pubrel, id, 0)
	c.send(answer(packets.Pubcomp, id))
	c.silent()
}
