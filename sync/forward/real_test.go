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
func (r *real) SplitShard(ctx context.Context, s shardlog.ShardID, start shardlog.Hash) error {
	return r.log.SplitShard(ctx, s, start)
}
func (r *real) MergeShards(ctx context.Context, s, adjacent shardlog.ShardID) error {
	return r.log.MergeShards(ctx, s, adjacent)
}
func (r *real) CreateStream(ctx context.Context, s shardlog.StreamSpec) error {
	return r.log.CreateStream(ctx, s)
}
func (r *real) DeleteStream(ctx context.Context, n shardlog.StreamName) error {
	return r.log.DeleteStream(ctx, n)
}
func (r *real) SetRecordSize(ctx context.Context, n shardlog.StreamName, kib int) error {
	return r.log.SetRecordSize(ctx, n, kib)
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
	spooling := func(c *forward.Config) { quick(c); c.Spool, c.Notes = realSpool{over.Spool()}, over.Store }
	gateways := []*real{s.startReal(t, "a", over, quick), s.startReal(t, "bb", over, spooling)}
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

// realSpool is a store's spool, as the gateway's assembly adapts it.
type realSpool struct{ *store.Spool }

func (s realSpool) Read(from uint64, most int) (all []forward.Row, err error) {
	rows, err := s.Spool.Read(from, most)
	for _, r := range rows {
		all = append(all, forward.Row{Number: r.Seq, Bytes: r.Bytes})
	}
	return all, err
}

func (s realSpool) Stats() forward.SpoolStats {
	st := s.Spool.Stats()
	return forward.SpoolStats{First: st.First, Last: st.Last, Bytes: int64(st.Bytes)}
}

// A spool on the disk that is full gives up its oldest, and what it gave up is
// conceded, also when the gateway is started again in between.
func TestAFullSpoolOnTheDisk(t *testing.T) {
	s, over := newSite(t), openGround(t)
	a := s.startReal(t, "a", over, nil)
	a.reign(true)
	s.elect("a")
	if err := a.Control().CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	change := func(c *forward.Config) {
		c.Grace, c.SpoolBytes, c.Full = 30*time.Millisecond, 20000, forward.DropOldest
		c.Spool, c.Notes = realSpool{over.Spool()}, over.Store
	}
	s.part("bb", true)
	b := s.startReal(t, "bb", over, change)
	const puts = 100
	for i := range puts {
		if _, err := b.Writer(true).Put(t.Context(), "s", []shardlog.Entry{{Key: "k", Data: noise(1000)}}); err != nil {
			t.Fatal(err)
		}
		if st := b.State(); st.Bytes > 20000 || i > 30 && st.Bytes < 15000 {
			t.Fatalf("%d bytes are spooled after %d", st.Bytes, i)
		}
		if i == puts/2 {
			b.gateway.stop()
			b = s.startReal(t, "bb", over, change)
		}
	}
	s.part("bb", false)
	for i := 0; b.State().Rows > 0 || b.State().Owed > 0; i++ {
		if wait(10 * time.Millisecond); i > 2000 {
			t.Fatalf("%+v", b.State())
		}
	}
	stream, _ := over.Stream("s")
	stored, lost := uint64(stream.Shards[0].Next-1), uint64(0)
	for g, err := range over.Gaps(t.Context()) {
		if err != nil || g.Stream != "s" || g.Reason != shardlog.SpoolFull {
			t.Fatalf("%+v %v", g, err)
		}
		lost += g.Records
	}
	if lost == 0 || stored+lost != puts {
		t.Errorf("%d are stored and %d conceded of %d", stored, lost, puts)
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.IntN(256))
	}
	return b
}

// What was throttled by an attempt whose answer was lost, and was acknowledged
// by the spool after that, belongs into its stream.
func TestAThrottledPutInDoubtIsStoredAsAWhole(t *testing.T) {
	s, over := newSite(t), openGround(t)
	a := s.startReal(t, "a", over, nil)
	b := s.startReal(t, "bb", over, func(c *forward.Config) { c.Grace = 200 * time.Millisecond })
	a.reign(true)
	s.elect("a")
	if err := a.Control().CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.fate = func(string) (bool, bool) { return true, false }
	s.mu.Unlock()
	var entries []shardlog.Entry
	for i := range 1500 {
		entries = append(entries, one("k", i)...)
	}
	if results, err := b.Writer(true).Put(t.Context(), "s", entries); err != nil || results[1499].Err != nil {
		t.Fatal(err)
	}
	stream, _ := over.Stream("s")
	if n := stream.Shards[0].Next - 1; n < 1000 || n >= 1500 {
		t.Fatalf("%d were stored at first", n)
	}
	s.mu.Lock()
	s.fate = nil
	s.mu.Unlock()
	for i := 0; b.State().Rows > 0; i++ {
		if wait(10 * time.Millisecond); i > 2000 {
			t.Fatal("the spool is not drained")
		}
	}
	page, err := over.Read(t.Context(), stream.Shards[0].ID, shardlog.Cursor{}, shardlog.Budget{Records: 10000, Bytes: 1 << 20})
	if err != nil || len(page.Records) != 1500 {
		t.Fatalf("%d are stored: %v", len(page.Records), err)
	}
	for i, r := range page.Records {
		if string(r.Data) != fmt.Sprint("k ", i) {
			t.Fatalf("record %d is %s", i, r.Data)
		}
	}
}

// wait lets real time pass.
func wait(d time.Duration) { <-time.After(d) }
