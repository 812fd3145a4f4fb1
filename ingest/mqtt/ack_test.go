package mqtt_test

import (
	"context"
	"fmt"
	"slices"
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
