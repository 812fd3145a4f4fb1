package forward_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
	"headgate/sync/forward"
)

// ground is a real store that all gateways of a site share, with a proposer
// that agrees at once, or forgets to say so.
type ground struct {
	*store.Store
	mu    sync.Mutex
	index uint64
	moody bool // guarded by mu: one in ten proposals has an unknown outcome
}

func openGround(t *testing.T) *ground {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &ground{Store: st}
}

func (g *ground) Propose(_ context.Context, c shardlog.Command) (shardlog.Outcome, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	unsure := g.moody && rand.IntN(10) == 0
	if unsure && rand.IntN(2) == 0 {
		return shardlog.Outcome{}, errors.New("it was not proposed, but who knows")
	}
	g.index++
	data := shardlog.EncodeCommands(nil, []shardlog.Command{c})
	if err := g.Journal().Append([]shardlog.JournalEntry{{Index: g.index, Term: 1, Commands: true, Data: data}}); err != nil {
		return shardlog.Outcome{}, err
	}
	commands, err := shardlog.DecodeCommands(data)
	if err != nil {
		return shardlog.Outcome{}, err
	}
	out, err := g.Apply(g.index, commands)
	if err != nil || unsure {
		return shardlog.Outcome{}, errors.Join(err, errors.New("it was applied, but who knows"))
	}
	return out[0], nil
}

// real is a gateway with a real write path.
type real struct {
	*gateway
	log  *streams.Log
	over *ground
	mu   sync.Mutex
	end  func() // of the log's Run
}

// Take is the write path's own.
func (r *real) Take(ctx context.Context, n shardlog.Numbered) (shardlog.Taken, error) {
	return r.log.Take(ctx, n)
}
func (r *real) CreateStream(ctx context.Context, s shardlog.StreamSpec) error {
	return r.log.CreateStream(ctx, s)
}
func (r *real) DeleteStream(ctx context.Context, n shardlog.StreamName) error {
	return r.log.DeleteStream(ctx, n)
}
func (r *real) SetRetention(ctx context.Context, n shardlog.StreamName, d time.Duration) error {
	return r.log.SetRetention(ctx, n, d)
}
func (r *real) Mutate(ctx context.Context, m ...shardlog.Mutation) error {
	return r.log.Mutate(ctx, m...)
}
func (r *real) Concede(ctx context.Context, g []shardlog.Gap, m ...shardlog.Mutation) error {
	return r.log.Concede(ctx, g, m...)
}

// reign runs the write path, or ends it.
func (r *real) reign(leads bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end != nil {
		r.end()
		r.end = nil
	}
	if leads {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = r.log.Run(ctx) }()
		r.end = func() { cancel(); <-done }
	}
}

func (s *site) startReal(t *testing.T, id string, over *ground, change func(*forward.Config)) *real {
	t.Helper()
	l, err := streams.New(streams.Config{Gateway: uint64(len(id)), Incarnation: rand.Uint64(), Proposer: over, Catalog: over.Store, States: over.Store,
		Ground: over.Store, SyncsPerSecond: 1000, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := &real{log: l, over: over}
	r.gateway = s.start(id, newDisk(), func(c *forward.Config) {
		c.Local, c.Catalog, c.States, c.Applied = r, over.Store, over.Store, over.Applied
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(func() { r.gateway.stop(); r.reign(false) })
	return r
}

func (r *real) whole(spools bool) shardlogtest.Log {
	return door{r.Writer(spools), r.Control(), r.States(spools), storeLog{r.log, r.over.Store}}
}

// storeLog has what a door does not bring.
type storeLog struct {
	*streams.Log
	*store.Store
}

func TestACarrierOverTheWritePathIsALog(t *testing.T) {
	for name, leader := range map[string]string{"leading": "a", "following": "bb"} {
		t.Run(name, func(t *testing.T) {
			shardlogtest.TestLog(t, func(t *testing.T) shardlogtest.Log {
				s, over := newSite(t), openGround(t)
				a, b := s.startReal(t, "a", over, nil), s.startReal(t, "bb", over, nil)
				if leader == "a" {
					a.reign(true)
				} else {
					b.reign(true)
				}
				s.elect(leader)
				return a.whole(false)
			})
		})
	}
}

func (s storeLog) Get(ctx context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error) {
	return s.Store.Get(ctx, space, key)
}
func (s storeLog) List(ctx context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte] {
	return s.Store.List(ctx, space, prefix)
}

// TestOverTheWritePath is the story of the metamorphic test, told by the real
// write path and store: outcomes that are not known, a leader that changes, a
// gateway that is cut off.
func TestOverTheWritePath(t *testing.T) {
	s, over := newSite(t), openGround(t)
	quick := func(c *forward.Config) { c.Grace = 60 * time.Millisecond }
	gateways := []*real{s.startReal(t, "a", over, quick), s.startReal(t, "bb", over, quick)}
	lead := func(n int) {
		for i, g := range gateways {
			g.reign(i == n)
		}
		s.elect(gateways[n].id)
	}
	lead(0)
	if err := gateways[0].Control().CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 2}); err != nil {
		t.Fatal(err)
	}
	over.mu.Lock()
	over.moody = true
	over.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	var group sync.WaitGroup
	sent := make([]int, 16)
	for d := range sent {
		group.Go(func() {
			w := gateways[d%2].Writer(true)
			for n := 0; ctx.Err() == nil; n++ {
				for {
					results, err := w.Put(t.Context(), "s", one(fmt.Sprint("d", d), n))
					if err == nil && results[0].Err == nil {
						break
					}
					if err == nil {
						err = results[0].Err
					}
					if k := shardlog.KindOf(err); k != shardlog.Unavailable && k != shardlog.Throttled {
						t.Error(err)
						return
					}
					wait(max(shardlog.RetryAfter(err), time.Millisecond))
				}
				sent[d] = n + 1
			}
		})
	}
	for i := 0; ctx.Err() == nil; i++ {
		wait(200 * time.Millisecond)
		switch i % 4 {
		case 0:
			s.part("bb", true)
		case 1:
			s.part("bb", false)
		case 2:
			lead(1)
		case 3:
			lead(0)
		}
	}
	s.part("bb", false)
	lead(0)
	group.Wait()
	for i := 0; gateways[0].State().Rows+gateways[1].State().Rows > 0; i++ {
		if wait(10 * time.Millisecond); i > 1000 {
			t.Fatal("the spools are not drained")
		}
	}
	stream, _ := over.Stream("s")
	have, spooled := map[string][]string{}, 0
	for _, sh := range stream.Shards {
		for c := (shardlog.Cursor{}); ; {
			page, err := over.Read(t.Context(), sh.ID, c, shardlog.Budget{Records: 1000, Bytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				have[r.Key] = append(have[r.Key], string(r.Data))
				if !r.Origin.IsZero() {
					spooled++
				}
			}
			if c = page.Next; page.Tip {
				break
			}
		}
	}
	total := 0
	for d, n := range sent {
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf("d%d %d", d, i))
		}
		total += n
		if got := have[fmt.Sprint("d", d)]; !slices.Equal(got, want) {
			t.Errorf("device %d: %d are stored, %d were sent, or not in order", d, len(got), len(want))
		}
	}
	t.Logf("%d stored, %d of them from the spool; %+v", total, spooled, gateways[1].Stats())
	if spooled == 0 || total == spooled {
		t.Error("the test shows nothing")
	}
}

// wait lets real time pass.
func wait(d time.Duration) { <-time.After(d) }
