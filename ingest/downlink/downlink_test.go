package downlink_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/ingest/downlink"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// rig is a log with one stream and a follower over it. A record's key is its
// topic, its first byte the QoS.
type rig struct {
	*downlink.Follower
	t   *testing.T
	log *shardlogtest.Memory
}

func start(t *testing.T, shards int) *rig {
	t.Helper()
	r := &rig{t: t, log: shardlogtest.NewMemory()}
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: shards}); err != nil {
		t.Fatal(err)
	}
	r.Follower, _ = r.gateway(1)
	return r
}

const lease = 2 * time.Second

// gateway is one of the site, over the rig's log, until the test ends or it is
// killed.
func (r *rig) gateway(id uint64) (f *downlink.Follower, kill func()) {
	states := &mortal{States: r.log}
	f = downlink.NewFollower(downlink.Config{Reader: r.log, Catalog: r.log, States: states, Gateway: id, Lease: lease, Log: slog.New(slog.DiscardHandler),
		Streams: func(string) []shardlog.StreamName { return []shardlog.StreamName{"s"} },
		Read: func(rec shardlog.Record) (downlink.Message, bool) {
			return downlink.Message{Topic: rec.Key, QoS: rec.Data[0] - '0', Body: string(rec.Data[1:]), Size: len(rec.Data), Client: "publisher"}, true
		},
		Whole: func(topic string, shard shardlog.ShardID, rec shardlog.Record) downlink.Message {
			return downlink.Message{Topic: rec.Key, Body: string(rec.Data[1:]), Size: len(rec.Data)}
		},
		Gap: func(topic string, g shardlog.Gap) downlink.Message {
			return downlink.Message{Topic: "gap", Body: fmt.Sprint(g.First, "-", g.Last, " ", g.Reason)}
		}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Run(ctx) }()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return f, func() { states.dead.Store(true); stop() }
}

// mortal are States that a gateway loses when it dies.
type mortal struct {
	shardlog.States
	dead atomic.Bool
}

func (m *mortal) Mutate(ctx context.Context, all ...shardlog.Mutation) error {
	if m.dead.Load() {
		return shardlog.Errorf(shardlog.Unavailable, "mutate", "it is dead")
	}
	return m.States.Mutate(ctx, all...)
}

func (r *rig) publish(topic string, qos int, text string) {
	r.t.Helper()
	out, err := r.log.Put(r.t.Context(), "s", []shardlog.Entry{{Key: topic, Data: []byte(fmt.Sprint(qos, text))}})
	if err != nil || out[0].Err != nil {
		r.t.Fatal(err, out)
	}
}

// reader takes what its inbox gets, n at a time, as fast as it is told to.
type reader struct {
	*downlink.Inbox
	r     *rig
	at    *downlink.Follower
	ready chan struct{}

	mu  sync.Mutex
	got []string
}

func (r *rig) reader(name string) *reader { return r.readerAt(r.Follower, name) }

func (r *rig) readerAt(f *downlink.Follower, name string) *reader {
	d := &reader{r: r, at: f, ready: make(chan struct{}, 1)}
	d.Inbox = f.Open(name, func() {
		select {
		case d.ready <- struct{}{}:
		default:
		}
	})
	return d
}

func (r *rig) subscribe(d *reader, name string, qos byte, starts map[shardlog.StreamID]downlink.Start) {
	r.t.Helper()
	s, err := downlink.ParseName(name)
	if err != nil {
		r.t.Fatal(err)
	}
	s.QoS = qos
	if starts != nil {
		err = d.at.Resume(r.t.Context(), d.Inbox, []downlink.Subscription{s}, starts, 0)
	} else {
		_, err = d.at.Subscribe(r.t.Context(), d.Inbox, s)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// read reads until want messages came, and answers them.
func (d *reader) read(want int) []string {
	d.r.t.Helper()
	late := time.After(20 * time.Second)
	var got []string
	for len(got) < want {
		for more := d.Take(100); len(more) > 0; more = d.Take(100) {
			for _, one := range more {
				got = append(got, one.Topic+" "+one.Body.(string))
				if one.QoS > 0 {
					d.Done(one.Place())
				}
			}
		}
		if len(got) >= want {
			break
		}
		select {
		case <-d.ready:
		case <-late:
			d.r.t.Fatalf("%d of %d messages came: %.300v", len(got), want, got)
		}
	}
	return got
}

func TestWhatIsPublishedIsSentToWhoSubscribed(t *testing.T) {
	r := start(t, 4)
	r.publish("a/b", 1, "before")
	exact, wild, other := r.reader("exact"), r.reader("wild"), r.reader("other")
	r.subscribe(exact, "a/b", 1, nil)
	r.subscribe(wild, "a/#", 0, nil)
	r.subscribe(other, "b/+", 1, nil)
	r.publish("a/b", 1, "one")
	r.publish("b/c", 0, "two")
	r.publish("a/b/c", 2, "three")
	if got := exact.read(1); !slices.Equal(got, []string{"a/b one"}) {
		t.Error(got)
	}
	got := wild.read(2)
	slices.Sort(got)
	if !slices.Equal(got, []string{"a/b one", "a/b/c three"}) {
		t.Error(got)
	}
	if got := other.read(1); !slices.Equal(got, []string{"b/c two"}) {
		t.Error(got)
	}
	if !r.Unsubscribe(exact.Inbox, "a/b") || r.Unsubscribe(exact.Inbox, "a/b") {
		t.Error("unsubscribed otherwise than once")
	}
}

// TestASlowReaderCatchesUp: what there is no room for is read from the log.
func TestASlowReaderCatchesUp(t *testing.T) {
	r := start(t, 2)
	slow := r.reader("slow")
	r.subscribe(slow, "#", 1, nil)
	const n = 3000
	for i := range n {
		r.publish(fmt.Sprint("k", i%7), 1, fmt.Sprint(i))
	}
	inOrder(t, slow.read(n), n)
}

func inOrder(t *testing.T, got []string, n int) {
	t.Helper()
	last, seen := map[string]int{}, map[string]bool{}
	for _, text := range got {
		topic, number, _ := strings.Cut(text, " ")
		i := 0
		fmt.Sscan(number, &i)
		if before, ok := last[topic]; ok && i <= before {
			t.Fatalf("%s: %d after %d", topic, i, before)
		}
		last[topic], seen[text] = i, true
	}
	if len(seen) != n {
		t.Errorf("%d of %d different messages", len(seen), n)
	}
}

// TestSessionsGoOn: a session that is left and taken up again, at random
// moments, while shards split and merge, is sent each message of QoS 1 at
// least once and each key's in order.
func TestSessionsGoOn(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := start(t, 2)
			chance := rand.New(rand.NewPCG(seed, 7))
			const n = 1200
			d := r.reader("device")
			r.subscribe(d, "#", 1, nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range n {
					r.publish(fmt.Sprint("k", i%11), 1, fmt.Sprint(i))
					if i%100 == 50 {
						r.reshard(rand.New(rand.NewPCG(seed, uint64(i))))
					}
				}
			}()
			seen := map[string]bool{}
			late := time.Now().Add(40 * time.Second)
			for len(seen) < n && !t.Failed() {
				if time.Now().After(late) {
					t.Fatalf("%d of %d", len(seen), n)
				}
				for _, one := range d.Take(1 + chance.IntN(20)) {
					text, i := one.Topic+" "+one.Body.(string), 0
					fmt.Sscan(one.Body.(string), &i)
					if before := fmt.Sprint(one.Topic, " ", i-11); i >= 11 && !seen[before] {
						t.Errorf("%s came before %s", text, before)
					}
					seen[text] = true
					if chance.IntN(50) > 0 {
						d.Done(one.Place())
					} else { // the device goes before it has answered
						subs, starts := r.Close(d.Inbox, nil)
						d = r.reader("device")
						for _, s := range subs {
							r.subscribe(d, s.Name(), s.QoS, starts)
						}
						break
					}
				}
				select {
				case <-d.ready:
				case <-time.After(10 * time.Millisecond):
				}
			}
			<-done
		})
	}
}

// reshard splits an open shard, or merges two.
func (r *rig) reshard(chance *rand.Rand) {
	s, _ := r.log.Stream("s")
	var open []shardlog.Shard
	for _, shard := range s.Shards {
		if !shard.Closed {
			open = append(open, shard)
		}
	}
	slices.SortFunc(open, func(a, b shardlog.Shard) int {
		if a.From.Less(b.From) {
			return -1
		}
		return 1
	})
	if len(open) > 3 {
		i := chance.IntN(len(open) - 1)
		if err := r.log.MergeShards(context.Background(), open[i].ID, open[i+1].ID); err != nil {
			r.t.Error(err)
		}
		return
	}
	one := open[chance.IntN(len(open))]
	middle := shardlog.Hash{Hi: one.From.Hi/2 + one.To.Hi/2, Lo: 1}
	if err := r.log.SplitShard(context.Background(), one.ID, middle); err != nil {
		r.t.Error(err)
	}
}

func TestSharedSubscriptionsTakeTurns(t *testing.T) {
	r := start(t, 1)
	a, b := r.reader("a"), r.reader("b")
	r.subscribe(a, "$share/g/t/#", 1, nil)
	r.subscribe(b, "$share/g/t/#", 1, nil)
	for i := range 100 {
		r.publish("t/x", 1, fmt.Sprint(i))
	}
	if n, m := len(a.read(50)), len(b.read(50)); n != 50 || m != 50 {
		t.Errorf("%d and %d", n, m)
	}
}

// TestAStreamThatIsMadeLater is followed from its beginning.
func TestAStreamThatIsMadeLater(t *testing.T) {
	r := start(t, 1)
	if err := r.log.DeleteStream(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	d := r.reader("early")
	r.subscribe(d, "#", 1, nil)
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 2}); err != nil {
		t.Fatal(err)
	}
	r.publish("a", 1, "x")
	if got := d.read(1); got[0] != "a x" {
		t.Error(got)
	}
}
