package mqtt_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
	"headgate/shardlog/quota"
)

func TestOrderAcrossThrottling(t *testing.T) {
	r := start(t, func(r *rig, c *mqtt.Config) {
		limits := quota.Limits{RecordsIn: 400}
		r.log.Quota = &limits
		c.Window = 64
		c.Routes = routes(t, ingest.Route{Filter: "#", Shards: 1})
	})
	const n = 700
	dev := r.device(t, "dev", nil)
	var tokens []paho.Token
	for i := range n {
		tokens = append(tokens, dev.Publish("a", byte(1+i%2), false, fmt.Sprint("m", i)))
	}
	for _, token := range tokens {
		finish(t, "publish", token)
	}
	sameOrder(t, r.texts(t, "telemetry"), "m", n)
	if s := r.Stats(); s.ThrottledWaits == 0 || s.WindowWaits == 0 {
		t.Errorf("nothing was throttled: %+v", s)
	}
}

func TestThrottledShardStopsItsSocketOnly(t *testing.T) {
	// The keys "hot" and "cold" stand for shards: hot is throttled until told otherwise.
	var open atomic.Bool
	r := start(t, func(r *rig, c *mqtt.Config) {
		c.Window = 10
		c.Writer = writer(func(ctx context.Context, name shardlog.StreamName, e []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
			if open.Load() {
				return r.log.Put(ctx, name, e, with...)
			}
			results := make([]shardlog.Result, len(e))
			for i := range e {
				if e[i].Key == "hot" {
					results[i].Err = &shardlog.Error{Kind: shardlog.Throttled, Op: "put", RetryAfter: 30 * time.Millisecond}
					continue
				}
				one, err := r.log.Put(ctx, name, e[i:i+1], with...)
				if err != nil {
					return nil, err
				}
				results[i] = one[0]
			}
			return results, nil
		})
	})
	hot, _ := r.login(t, 5, "hot", nil)
	var all []packets.Packet
	for i := range 50 {
		all = append(all, publish(uint16(i+1), 1, "a", fmt.Sprint("h", i)))
	}
	hot.send(all...)
	eventually(t, "the window is full", func() bool { return r.Stats().WindowWaits == 1 })
	if s := r.Stats(); s.Pending != 10 || s.Received != 11 {
		t.Errorf("%d pending, %d received: more was read than the window and one", s.Pending, s.Received)
	}
	cold, _ := r.login(t, 5, "cold", nil)
	begin := time.Now()
	for i := range 20 {
		cold.send(publish(uint16(i+1), 1, "a", fmt.Sprint("c", i)))
		cold.want(packets.Puback, uint16(i+1), 0)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("20 messages of another key took %v", took)
	}
	open.Store(true)
	for i := range 50 {
		hot.want(packets.Puback, uint16(i+1), 0)
	}
	var got []string
	for _, rec := range r.records(t, "telemetry") {
		if rec.Key == "hot" {
			got = append(got, string(rec.Data))
		}
	}
	sameOrder(t, got, "h", 50)
}

func TestWindowInBytes(t *testing.T) {
	r := start(t, func(r *rig, c *mqtt.Config) { c.WindowBytes = 10_000 })
	hold := r.log.Hold()
	c, _ := r.login(t, 5, "dev", nil)
	big := string(make([]byte, 4000))
	for i := range 5 {
		c.send(publish(uint16(i+1), 1, "a", big))
	}
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the window is full", func() bool { return r.Stats().WindowWaits == 1 })
	if s := r.Stats(); s.Pending != 2 {
		t.Errorf("%d pending, want 2", s.Pending)
	}
	hold.Release()
	for i := range 5 {
		c.want(packets.Puback, uint16(i+1), 0)
	}
	c.send(publish(9, 1, "a", string(make([]byte, 50_000)))) // larger than the window: alone
	c.want(packets.Puback, 9, 0)
}

func TestPendingBytesOfAllConnections(t *testing.T) {
	r := start(t, func(r *rig, c *mqtt.Config) { c.PendingBytes = 10_000 })
	hold := r.log.Hold()
	var all []*raw
	for i := range 5 {
		c, _ := r.login(t, 5, fmt.Sprint("dev", i), nil)
		c.send(publish(1, 1, "a", string(make([]byte, 6000))))
		all = append(all, c)
	}
	eventually(t, "three wait", func() bool { return r.Stats().WindowWaits == 3 })
	small, _ := r.login(t, 5, "small", nil)
	small.send(publish(1, 1, "a", "x"))
	eventually(t, "a small message does not", func() bool { return r.Stats().Pending == 3 })
	all = append(all, small)
	if s := r.Stats(); s.PendingBytes > 16_000 {
		t.Errorf("%d bytes pending", s.PendingBytes)
	}
	hold.Release()
	for _, c := range all {
		c.want(packets.Puback, 1, 0)
	}
	eventually(t, "nothing is pending", func() bool { s := r.Stats(); return s.PendingBytes == 0 && s.Pending == 0 })
}

func TestStalledLogEndsTheConnection(t *testing.T) {
	for _, c := range []struct {
		version, code byte
	}{{4, 0}, {5, packets.ErrQuotaExceeded.Code}} {
		r := start(t, func(r *rig, c *mqtt.Config) { c.Window = 2; c.DrainTimeout = time.Second })
		hold := r.log.Hold()
		dev, _ := r.login(t, c.version, "dev", func(pk *packets.Packet) { pk.Connect.Keepalive = 1 })
		begin := time.Now()
		dev.send(publish(1, 1, "a", "1"), publish(2, 1, "a", "2"), publish(3, 1, "a", "3"))
		if code := dev.wantEnd(); code != c.code {
			t.Errorf("v%d: disconnect %#x, want %#x", c.version, code, c.code)
		}
		if took := time.Since(begin); took < 300*time.Millisecond || took > 3*time.Second {
			t.Errorf("v%d: after %v, want half a keepalive", c.version, took)
		}
		hold.Release()
	}
}
