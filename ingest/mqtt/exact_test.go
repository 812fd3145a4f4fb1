package mqtt_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// ids are the packet ids that the replicated state holds.
func (r *rig) ids(t testing.TB) []string {
	t.Helper()
	var keys []string
	for key := range r.log.List(t.Context(), "mqtt.qos2", "") {
		keys = append(keys, key)
	}
	return keys
}

// lasting makes a session that outlives its connection.
func lasting(pk *packets.Packet) {
	pk.Connect.Clean = false
	pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 3600, true
}

func TestExactlyOnce(t *testing.T) {
	for _, version := range []byte{4, 5} {
		r := start(t, nil)
		c, _ := r.login(t, version, "dev", nil)
		pk := publish(5, 2, "a", "x")
		c.send(pk)
		c.want(packets.Pubrec, 5, 0)
		if got := r.ids(t); !slices.Equal(got, []string{"dev/0005"}) {
			t.Fatalf("v%d: ids %q", version, got)
		}
		c.send(again(pk), pk, again(pk))
		for range 3 {
			c.want(packets.Pubrec, 5, 0)
		}
		c.send(pubrel(5))
		c.want(packets.Pubcomp, 5, 0)
		if got := r.ids(t); len(got) != 0 {
			t.Errorf("v%d: ids %q after PUBREL", version, got)
		}
		var code byte
		if version == 5 {
			code = packets.ErrPacketIdentifierNotFound.Code
		}
		c.send(pubrel(5), pubrel(9))
		c.want(packets.Pubcomp, 5, code)
		c.want(packets.Pubcomp, 9, code)
		c.send(publish(5, 2, "a", "y")) // the id is free again
		c.want(packets.Pubrec, 5, 0)
		if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"x", "y"}) {
			t.Errorf("v%d: records %q", version, got)
		}
		if n := r.Stats().Duplicates; n != 3 {
			t.Errorf("v%d: %d duplicates counted", version, n)
		}
	}
}

func TestRestartBetweenPubrecAndPubrel(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 4, "dev", lasting)
	c.send(publish(5, 2, "a", "x"), publish(6, 2, "a", "y"), publish(7, 2, "a", "z"))
	for id := range uint16(3) {
		c.want(packets.Pubrec, 5+id, 0)
	}
	r.stop()
	r.serve(t, nil)
	c, ack := r.login(t, 4, "dev", lasting)
	if !ack.SessionPresent {
		t.Fatal("the new process does not know the session")
	}
	c.send(again(publish(5, 2, "a", "x")), pubrel(5)) // PUBREC was lost
	c.want(packets.Pubrec, 5, 0)
	c.want(packets.Pubcomp, 5, 0)
	c.send(pubrel(6)) // PUBREC had come
	c.want(packets.Pubcomp, 6, 0)
	c.Close()
	eventually(t, "it is gone", func() bool { return r.Stats().Connections == 0 })
	c, _ = r.login(t, 4, "dev", nil)
	c.send(publish(7, 2, "a", "new")) // the device began anew: another message, not a copy
	c.want(packets.Pubrec, 7, 0)
	c.send(pubrel(7))
	c.want(packets.Pubcomp, 7, 0)
	if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"x", "y", "z", "new"}) {
		t.Errorf("records %q", got)
	}
	if got := r.ids(t); len(got) != 0 {
		t.Errorf("ids %q", got)
	}
}

func TestUnknownOutcomeIsRecognised(t *testing.T) {
	var once atomic.Bool
	r := start(t, func(r *rig, _ *mqtt.Config) {
		r.log.Fail = func(op string) error {
			if op == "put done" && !once.Swap(true) {
				return &shardlog.Error{Kind: shardlog.Unknown, Op: op}
			}
			return nil
		}
	})
	c, _ := r.login(t, 5, "dev", nil)
	var all []packets.Packet
	for i := range 20 {
		all = append(all, publish(uint16(i+1), 2, "a", fmt.Sprint("m", i)))
	}
	c.send(all...)
	for i := range 20 {
		c.want(packets.Pubrec, uint16(i+1), 0)
	}
	sameOrder(t, r.texts(t, "telemetry"), "m", 20)
	if s := r.Stats(); s.Conflicts == 0 || s.Retries == 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestNewConnectionWhileTheFirstCopyIsUnderWay(t *testing.T) {
	r := start(t, nil)
	first, _ := r.login(t, 4, "dev", lasting)
	hold := r.log.Hold()
	first.send(publish(5, 2, "a", "x"))
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	first.Close()
	second, ack := r.login(t, 4, "dev", lasting)
	if !ack.SessionPresent {
		t.Error("no session present")
	}
	second.send(again(publish(5, 2, "a", "x")))
	second.silent()
	hold.Release()
	second.want(packets.Pubrec, 5, 0)
	second.send(pubrel(5))
	second.want(packets.Pubcomp, 5, 0)
	if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"x"}) {
		t.Errorf("records %q", got)
	}
}

func TestCleanStartForgets(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 4, "dev", lasting)
	c.send(publish(5, 2, "a", "x"))
	c.want(packets.Pubrec, 5, 0)
	c.Close()
	c, _ = r.login(t, 4, "dev", nil)
	if got := r.ids(t); len(got) != 0 {
		t.Errorf("ids %q after a clean start", got)
	}
	c.send(publish(5, 2, "a", "y"))
	c.want(packets.Pubrec, 5, 0)
	if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("records %q", got)
	}
	c.Close()
	eventually(t, "the session's ids went with it", func() bool { return len(r.ids(t)) == 0 })
}

func TestCleanStartOverAMessageUnderWay(t *testing.T) {
	r := start(t, nil)
	first, _ := r.login(t, 4, "dev", lasting)
	hold := r.log.Hold()
	first.send(publish(5, 2, "a", "old"))
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	second, _ := r.login(t, 4, "dev", nil)
	second.send(publish(5, 2, "a", "new"))
	second.silent()
	hold.Release()
	second.want(packets.Pubrec, 5, 0)
	if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"old", "new"}) {
		t.Errorf("records %q", got)
	}
}

func TestExactUnderMixedThrottling(t *testing.T) {
	// A Put with mutations is throttled as a whole for one hot entry; the cold
	// keys in it must get through all the same.
	var open atomic.Bool
	r := start(t, func(r *rig, c *mqtt.Config) {
		c.Routes = routes(t, ingest.Route{Filter: "#", Key: "{topic}"})
		c.Writer = writer(func(ctx context.Context, name shardlog.StreamName, e []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
			hot := slices.ContainsFunc(e, func(e shardlog.Entry) bool { return e.Key == "hot" })
			if !hot || open.Load() {
				return r.log.Put(ctx, name, e, with...)
			}
			results := make([]shardlog.Result, len(e))
			for i := range results {
				results[i].Err = &shardlog.Error{Kind: shardlog.Throttled, Op: "put", RetryAfter: 20 * time.Millisecond}
			}
			return results, nil
		})
	})
	hot, _ := r.login(t, 5, "h", nil)
	cold, _ := r.login(t, 5, "c", nil)
	for i := range 10 {
		hot.send(publish(uint16(i+1), 2, "hot", fmt.Sprint("h", i)))
		cold.send(publish(uint16(i+1), 2, "cold", fmt.Sprint("c", i)))
	}
	for i := range 10 {
		cold.want(packets.Pubrec, uint16(i+1), 0)
	}
	open.Store(true)
	for i := range 10 {
		hot.want(packets.Pubrec, uint16(i+1), 0)
	}
	var got []string
	for _, rec := range r.records(t, "telemetry") {
		if rec.Key == "hot" {
			got = append(got, string(rec.Data))
		}
	}
	sameOrder(t, got, "h", 10)
}

func TestUnreleasedIDsAreBounded(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", nil)
	const most = 16 << 10
	for i := range most {
		c.send(publish(uint16(i+1), 2, "a", "x"))
		c.want(packets.Pubrec, uint16(i+1), 0)
	}
	c.send(publish(most+1, 2, "a", "x"))
	c.want(packets.Pubrec, most+1, packets.ErrQuotaExceeded.Code)
	c.send(pubrel(1))
	c.want(packets.Pubcomp, 1, 0)
	c.send(publish(most+1, 2, "a", "x"))
	c.want(packets.Pubrec, most+1, 0)
}

func TestReleaseIsRetried(t *testing.T) {
	var fails atomic.Int32
	var begun atomic.Bool // the start mutates as well
	r := start(t, func(r *rig, _ *mqtt.Config) {
		r.log.Fail = func(op string) error {
			if op == "mutate" && begun.Load() && fails.Add(1) <= 2 {
				return &shardlog.Error{Kind: shardlog.Unavailable, Op: op}
			}
			return nil
		}
	})
	c, _ := r.login(t, 5, "dev", nil)
	begun.Store(true)
	c.send(publish(5, 2, "a", "x"))
	c.want(packets.Pubrec, 5, 0)
	c.send(pubrel(5), pubrel(5))
	c.want(packets.Pubcomp, 5, 0)
	c.silent()
	if len(r.ids(t)) != 0 || fails.Load() != 3 {
		t.Errorf("ids %q after %d tries", r.ids(t), fails.Load())
	}
}

func TestPubrelBeforePubrecEndsTheConnection(t *testing.T) {
	r := start(t, nil)
	hold := r.log.Hold()
	c, _ := r.login(t, 5, "dev", nil)
	c.send(publish(5, 2, "a", "x"), pubrel(5))
	if code := c.wantEnd(); code != packets.ErrProtocolViolation.Code {
		t.Errorf("disconnect %#x", code)
	}
	hold.Release()
	eventually(t, "the session's ids went with it", func() bool { return r.Stats().Pending == 0 && len(r.ids(t)) == 0 })
}

// TestADeviceThatForgot its side of a session, though ours is there, uses an id
// for something new: without DUP it is no copy.
func TestADeviceThatForgot(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 4, "dev", lasting)
	c.send(publish(5, 2, "a", "x"))
	c.want(packets.Pubrec, 5, 0)
	r.gone(t, c)
	c, ack := r.login(t, 4, "dev", lasting)
	if !ack.SessionPresent {
		t.Error("the session is not known")
	}
	c.send(publish(5, 2, "a", "new"))
	c.want(packets.Pubrec, 5, 0)
	if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"x", "new"}) {
		t.Errorf("records %q", got)
	}
}

// behind is replicated state of which this gateway has not seen the latest: the
// ids of QoS 2 are those of an earlier moment until something is agreed on.
type behind struct {
	shardlog.States
	lags   atomic.Bool
	cut    bool // nothing can be agreed on
	before map[string][]byte
}

func (b *behind) List(ctx context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte] {
	if space == "mqtt.qos2" && b.lags.Load() {
		return maps.All(b.before)
	}
	return b.States.List(ctx, space, prefix)
}

func (b *behind) Mutate(ctx context.Context, m ...shardlog.Mutation) error {
	if b.lags.Load() && b.cut {
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "mutate"}
	}
	err := b.States.Mutate(ctx, m...)
	b.lags.Store(b.lags.Load() && err != nil)
	return err
}

// TestAGatewayThatIsBehind takes an id, which was released and is used for
// something new, for no copy: not even with DUP, which the new message has when
// its first sending was lost.
func TestAGatewayThatIsBehind(t *testing.T) {
	for _, cut := range []bool{false, true} {
		r := start(t, nil)
		c, _ := r.login(t, 4, "dev", lasting)
		c.send(publish(5, 2, "a", "x"))
		c.want(packets.Pubrec, 5, 0)
		b := &behind{States: r.log, cut: cut, before: maps.Collect(r.log.List(t.Context(), "mqtt.qos2", ""))}
		c.send(pubrel(5))
		c.want(packets.Pubcomp, 5, 0)
		r.stop()
		r.serve(t, func(_ *rig, c *mqtt.Config) { c.States = b })
		eventually(t, "it listens", func() bool { c := r.dial(t, 4); return c.Close() == nil && r.Stats().Accepted > 0 })
		b.lags.Store(true)
		c, _ = r.login(t, 4, "dev", lasting)
		c.send(again(publish(5, 2, "a", "new")))
		c.want(packets.Pubrec, 5, 0)
		if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"x", "new"}) {
			t.Errorf("cut off %v: records %q", cut, got)
		}
		r.stop()
	}
}
