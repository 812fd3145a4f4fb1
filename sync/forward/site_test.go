package forward_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
	"headgate/sync/forward"
)

// agreed is the log that all gateways of a site agree on: a log in memory that
// remembers numbers, in one place, so that every gateway has applied all.
type agreed struct {
	*shardlogtest.Memory
	index atomic.Uint64

	mu       sync.Mutex
	memos    map[shardlog.BundleID]shardlog.Taken
	settled  map[uint64]uint64 // by incarnation
	conceded []shardlog.Gap
	pace     time.Duration
	origins  map[string]time.Time // of entries, by their data
}

func newAgreed() *agreed {
	return &agreed{Memory: shardlogtest.NewMemory(), memos: map[shardlog.BundleID]shardlog.Taken{}, settled: map[uint64]uint64{}, origins: map[string]time.Time{}}
}

func (a *agreed) Take(ctx context.Context, n shardlog.Numbered) (shardlog.Taken, error) {
	if a.pace > 0 {
		select {
		case <-time.After(a.pace):
		case <-ctx.Done():
			return shardlog.Taken{}, &shardlog.Error{Kind: shardlog.Unavailable, Op: "take", Err: ctx.Err()}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n.ID.Number < a.settled[n.ID.Incarnation] {
		return shardlog.Taken{}, shardlog.Errorf(shardlog.Expired, "take", "%d", n.ID.Number)
	}
	if t, ok := a.memos[n.ID]; ok {
		return t, nil
	}
	results, err := a.Memory.Put(ctx, n.Stream, n.Entries, n.With...)
	if err != nil {
		return shardlog.Taken{}, err
	}
	for _, e := range n.Entries {
		a.origins[string(e.Data)] = e.Origin
	}
	t := shardlog.Taken{Results: results, Index: a.index.Add(1)}
	a.memos[n.ID] = t
	if n.Settled > a.settled[n.ID.Incarnation] {
		a.settled[n.ID.Incarnation] = n.Settled
		for id := range a.memos {
			if id.Incarnation == n.ID.Incarnation && id.Number < n.Settled {
				delete(a.memos, id)
			}
		}
	}
	return t, nil
}

func (a *agreed) Concede(ctx context.Context, gaps []shardlog.Gap, once ...shardlog.Mutation) error {
	if err := a.Memory.Mutate(ctx, once...); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conceded = append(a.conceded, gaps...)
	return nil
}

func (a *agreed) remembered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.memos)
}

// bubbled runs a test in a bubble. Decoders that package block keeps for later
// belong to the bubble that made them, so none may come in or get out.
func bubbled(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	empty := func() { runtime.GC(); runtime.GC() } // of a sync.Pool, it takes two
	empty()
	defer empty()
	synctest.Test(t, test)
}

// site is some gateways and what is between them.
type site struct {
	t   testing.TB
	log *agreed

	mu       sync.Mutex
	leader   string // guarded by mu
	term     uint64
	cut      map[string]bool // who is cut off
	changed  chan struct{}
	gateways map[string]*gateway
	// fate is asked about each call: whether it arrives, and whether its answer does.
	fate func(path string) (arrives, answered bool)
}

func newSite(t testing.TB) *site {
	return &site{t: t, log: newAgreed(), term: 1, cut: map[string]bool{}, changed: make(chan struct{}), gateways: map[string]*gateway{}}
}

// elect makes a gateway the leader, or nobody.
func (s *site) elect(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader = id
	s.term++
	s.tell()
}

// part cuts a gateway off from all others, or joins it again.
func (s *site) part(id string, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut[id] = cut
	s.tell()
}

// lossy loses every call, or none.
func (s *site) lossy(now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fate = func(string) (bool, bool) { return !now, true }
}

func (s *site) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *site) call(from string) forward.Call {
	return func(ctx context.Context, peer, path string, body []byte) ([]byte, error) {
		s.mu.Lock()
		g, cut, fate := s.gateways[peer], s.cut[from] || s.cut[peer], s.fate
		s.mu.Unlock()
		if g == nil || cut {
			return nil, shardlog.Errorf(shardlog.Unavailable, "call", "%s is not there", peer)
		}
		arrives, answered := true, true
		if fate != nil {
			arrives, answered = fate(path)
		}
		if !arrives {
			return nil, shardlog.Errorf(shardlog.Unavailable, "call", "lost")
		}
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(bytes.Clone(body)))
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, r)
		if !answered || ctx.Err() != nil {
			return nil, errors.New("the answer is lost")
		}
		if w.Code != http.StatusOK {
			return nil, shardlog.Errorf(shardlog.Unknown, "call", "status %d", w.Code)
		}
		return w.Body.Bytes(), nil
	}
}

// gateway is one of them; it is the Leadership that it sees, and its own log.
type gateway struct {
	*forward.Carrier
	*agreed
	site    *site
	id      string
	disk    *disk
	handler http.Handler
	stop    func()
}

func (g *gateway) Leading() bool {
	g.site.mu.Lock()
	defer g.site.mu.Unlock()
	return g.site.leader == g.id && !g.site.cut[g.id]
}

func (g *gateway) Leader() string {
	g.site.mu.Lock()
	defer g.site.mu.Unlock()
	if g.site.cut[g.id] {
		return ""
	}
	return g.site.leader
}

func (g *gateway) Term() uint64 {
	g.site.mu.Lock()
	defer g.site.mu.Unlock()
	return g.site.term
}

func (g *gateway) Changed() <-chan struct{} {
	g.site.mu.Lock()
	defer g.site.mu.Unlock()
	return g.site.changed
}

func (g *gateway) Alone() bool { return false }

func (g *gateway) Take(ctx context.Context, n shardlog.Numbered) (shardlog.Taken, error) {
	if !g.Leading() {
		return shardlog.Taken{}, shardlog.Errorf(shardlog.Unavailable, "take", "not leading")
	}
	return g.agreed.Take(ctx, n)
}

// config is the gateway's, before a test changes it.
func (g *gateway) config() forward.Config {
	return forward.Config{
		Gateway: uint64(len(g.id)), Local: g, Catalog: g.agreed, States: g.agreed, Applied: g.index.Load, Leadership: g,
		Call: g.site.call(g.id), Spool: g.disk, Notes: g.disk, Random: rand.Uint64, Log: slog.New(slog.DiscardHandler),
	}
}

// start runs a gateway until it is stopped, at the latest when the test ends.
func (s *site) start(id string, d *disk, change func(*forward.Config)) *gateway {
	s.t.Helper()
	g := &gateway{agreed: s.log, site: s, id: id, disk: d}
	c := g.config()
	if change != nil {
		change(&c)
	}
	carrier, err := forward.New(c)
	if err != nil {
		s.t.Fatal(err)
	}
	g.Carrier, g.handler = carrier, carrier.Handler()
	s.mu.Lock()
	s.gateways[id] = g
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- carrier.Run(ctx) }()
	g.stop = sync.OnceFunc(func() {
		s.mu.Lock()
		if s.gateways[id] == g {
			delete(s.gateways, id)
		}
		s.mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	return g
}

// door is a carrier with the readers that a whole log has.
type door struct {
	shardlog.Writer
	shardlog.Control
	shardlog.States
	shardlogtest.Log
}

func (d door) Put(ctx context.Context, n shardlog.StreamName, e []shardlog.Entry, w ...shardlog.Mutation) ([]shardlog.Result, error) {
	return d.Writer.Put(ctx, n, e, w...)
}
func (d door) SplitShard(ctx context.Context, s shardlog.ShardID, start shardlog.Hash) error {
	return d.Control.SplitShard(ctx, s, start)
}
func (d door) MergeShards(ctx context.Context, s, adjacent shardlog.ShardID) error {
	return d.Control.MergeShards(ctx, s, adjacent)
}
func (d door) CreateStream(ctx context.Context, s shardlog.StreamSpec) error {
	return d.Control.CreateStream(ctx, s)
}
func (d door) DeleteStream(ctx context.Context, n shardlog.StreamName) error {
	return d.Control.DeleteStream(ctx, n)
}
func (d door) SetRecordSize(ctx context.Context, n shardlog.StreamName, kib int) error {
	return d.Control.SetRecordSize(ctx, n, kib)
}

func (d door) SetRetention(ctx context.Context, n shardlog.StreamName, r time.Duration) error {
	return d.Control.SetRetention(ctx, n, r)
}
func (d door) Get(ctx context.Context, s shardlog.Space, k string) ([]byte, shardlog.Version, error) {
	return d.States.Get(ctx, s, k)
}
func (d door) List(ctx context.Context, s shardlog.Space, p string) iter.Seq2[string, []byte] {
	return d.States.List(ctx, s, p)
}
func (d door) Mutate(ctx context.Context, m ...shardlog.Mutation) error {
	return d.States.Mutate(ctx, m...)
}

func (g *gateway) door(spools bool) door {
	return door{g.Writer(spools), g.Control(), g.States(spools), g.agreed}
}

func TestACarrierOverALeaderIsALog(t *testing.T) {
	for name, spools := range map[string]bool{"spooling": true, "not spooling": false} {
		t.Run("leading, "+name, func(t *testing.T) {
			shardlogtest.TestLog(t, func(t *testing.T) shardlogtest.Log {
				s := newSite(t)
				g := s.start("a", newDisk(), nil)
				t.Cleanup(g.stop)
				s.elect("a")
				return g.door(spools)
			})
		})
		t.Run("following, "+name, func(t *testing.T) {
			shardlogtest.TestLog(t, func(t *testing.T) shardlogtest.Log {
				s := newSite(t)
				a, b := s.start("a", newDisk(), nil), s.start("bb", newDisk(), nil)
				t.Cleanup(a.stop)
				t.Cleanup(b.stop)
				s.elect("a")
				return b.door(spools)
			})
		})
	}
}
