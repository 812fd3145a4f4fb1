package mqtt_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

func TestNoAckBeforePutReturns(t *testing.T) {
	for _, version := range []byte{4, 5} {
		for _, qos := range []byte{1, 2} {
			t.Run(fmt.Sprintf("v%d qos %d", version, qos), func(t *testing.T) {
				r := start(t, nil)
				c, _ := r.login(t, version, "dev", nil)
				hold := r.log.Hold()
				c.send(publish(7, qos, "a/b", "x"))
				if err := hold.Wait(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				c.silent()
				if s := r.Stats(); s.Pending != 1 || s.Acked != 0 || s.OldestUnanswered == 0 {
					t.Errorf("stats %+v", s)
				}
				hold.Release()
				kind := packets.Puback
				if qos == 2 {
					kind = packets.Pubrec
				}
				c.want(kind, 7, 0)
				if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"x"}) {
					t.Errorf("records %q", got)
				}
			})
		}
	}
}

func TestAcksInOrderOfPublishes(t *testing.T) {
	// Two streams: the second's Put returns while the first's is held.
	release := make(chan struct{})
	r := start(t, func(r *rig, c *mqtt.Config) {
		c.Routes = routes(t, ingest.Route{Filter: "slow", Stream: "slow"}, ingest.Route{Filter: "fast", Stream: "fast"})
		c.Writer = writer(func(ctx context.Context, name shardlog.StreamName, e []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
			if name == "slow" {
				<-release
			}
			return r.log.Put(ctx, name, e, with...)
		})
	})
	c, _ := r.login(t, 5, "dev", nil)
	c.send(publish(1, 1, "slow", "a"), publish(2, 1, "fast", "b"), publish(3, 2, "fast", "c"))
	eventually(t, "the fast stream has both", func() bool { return len(r.records(t, "fast")) == 2 })
	c.silent()
	close(release)
	c.want(packets.Puback, 1, 0)
	c.want(packets.Puback, 2, 0)
	c.want(packets.Pubrec, 3, 0)
}

func TestManyInFlight(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	r := start(t, func(r *rig, c *mqtt.Config) { c.Writer = slow{Writer: r.log, each: 5 * time.Millisecond} })
	c, _ := r.login(t, 4, "dev", nil)
	rate := func(n, window int) float64 {
		begin := time.Now()
		sent := 0
		send := func(count int) {
			var all []packets.Packet
			for range count {
				sent++
				all = append(all, publish(uint16(sent%60000+1), 1, "a", "x"))
			}
			c.send(all...)
		}
		send(window)
		for i := range n {
			pk, err := c.receive()
			if err != nil || pk.FixedHeader.Type != packets.Puback {
				t.Fatalf("ack %d: %v", i, err)
			}
			if sent < n && sent-i-1 <= window/2 {
				send(min(max(window/2, 1), n-sent))
			}
		}
		return float64(n) / time.Since(begin).Seconds()
	}
	one, many := rate(40, 1), rate(20000, 1000)
	t.Logf("one at a time %.0f/s, 1000 in flight %.0f/s: %.0f times", one, many, many/one)
	if many < 20*one {
		t.Errorf("only %.1f times the rate of one at a time", many/one)
	}
}

func TestUnavailableIsRetried(t *testing.T) {
	for _, kind := range []shardlog.Kind{shardlog.Unavailable, shardlog.Unknown} {
		var fails atomic.Int32
		r := start(t, func(r *rig, _ *mqtt.Config) {
			r.log.Fail = func(op string) error {
				if op == "put" && fails.Add(1) <= 3 {
					return &shardlog.Error{Kind: kind, Op: op}
				}
				return nil
			}
		})
		dev := r.device(t, "dev", nil)
		for i := range 5 {
			finish(t, "publish", dev.Publish("a", 1, false, fmt.Sprint("m", i)))
		}
		sameOrder(t, r.texts(t, "telemetry"), "m", 5)
		if r.Stats().Retries == 0 {
			t.Error("no retry was counted")
		}
	}
}

func TestStreamIsMade(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) {
		c.Routes = routes(t, ingest.Route{Filter: "alarm/#", Stream: "alarms", Shards: 2})
	})
	eventually(t, "both streams exist", func() bool { return len(r.log.Streams()) == 2 })
	if s, _ := r.log.Stream("alarms"); len(s.Shards) != 2 {
		t.Errorf("%d shards", len(s.Shards))
	}
	if err := r.log.DeleteStream(t.Context(), "alarms"); err != nil {
		t.Fatal(err)
	}
	dev := r.device(t, "dev", nil)
	finish(t, "publish", dev.Publish("alarm/fire", 1, false, "x"))
	if got := r.texts(t, "alarms"); !slices.Equal(got, []string{"x"}) {
		t.Errorf("records %q", got)
	}
}

func TestMetaIsKept(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) {
		c.Routes = routes(t, ingest.Route{Filter: "site/#", Stream: "sites", Key: "{topic.2}"})
	})
	c, _ := r.login(t, 5, "dev", nil)
	pk := publish(1, 1, "site/7/t", "x")
	pk.FixedHeader.Retain = true
	pk.Properties.ContentType = "application/json"
	pk.Properties.User = []packets.UserProperty{{Key: "a", Val: "b"}}
	c.send(pk)
	c.want(packets.Puback, 1, 0)
	recs := r.records(t, "sites")
	if len(recs) != 1 || recs[0].Key != "7" {
		t.Fatalf("records %v", recs)
	}
	m, err := mqtt.DecodeMeta(recs[0].Meta)
	if err != nil || m.Topic != "site/7/t" || m.Client != "dev" || m.QoS != 1 || !m.Retain || m.ContentType != "application/json" ||
		len(m.User) != 1 || m.User[0] != (mqtt.Property{Name: "a", Value: "b"}) {
		t.Errorf("meta %+v, %v", m, err)
	}
}

func TestDrainAnswersWhatIsOpen(t *testing.T) {
	r := start(t, func(r *rig, c *mqtt.Config) { c.Writer = slow{Writer: r.log, each: 100 * time.Millisecond} })
	c, _ := r.login(t, 5, "dev", nil)
	c.send(publish(1, 1, "a", "x"), publish(2, 0, "a", "y"), publish(3, 2, "a", "z"))
	eventually(t, "all are in", func() bool { return r.Stats().Received == 3 })
	r.stop()
	c.want(packets.Puback, 1, 0)
	c.want(packets.Pubrec, 3, 0)
	if code := c.wantEnd(); code != packets.ErrServerShuttingDown.Code {
		t.Errorf("disconnect %#x", code)
	}
	if got := r.texts(t, "telemetry"); len(got) != 3 {
		t.Errorf("records %q", got)
	}
}
