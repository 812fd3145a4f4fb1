package streams_test

import (
	"context"
	"iter"
	"log/slog"
	"runtime"
	"sync"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
)

// site is a write path over a real store, with a proposer that agrees at once.
type site struct {
	*streams.Log
	*store.Store
	proposer *direct
	stop     func() // ends Run
}

// The two parts both have these; the write path's are the doors.
func (s *site) Get(ctx context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error) {
	return s.Log.Get(ctx, space, key)
}
func (s *site) List(ctx context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte] {
	return s.Log.List(ctx, space, prefix)
}
func (s *site) Stats() streams.Stats { return s.Log.Stats() }

// direct journals and applies each command, one at a time.
type direct struct {
	mu    sync.Mutex
	store *store.Store
	index uint64
	// before, when set, is asked first: what it answers is the proposal's fate.
	before func(c shardlog.Command) (apply bool, err error)
}

func (d *direct) Propose(_ context.Context, c shardlog.Command) (shardlog.Outcome, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before != nil {
		apply, err := d.before(c)
		if !apply {
			return shardlog.Outcome{}, err
		}
		if err != nil {
			d.apply(c)
			return shardlog.Outcome{}, err
		}
	}
	return d.apply(c)
}

func (d *direct) apply(c shardlog.Command) (shardlog.Outcome, error) {
	d.index++
	data := shardlog.EncodeCommands(nil, []shardlog.Command{c})
	if err := d.store.Journal().Append([]shardlog.JournalEntry{{Index: d.index, Term: 1, Commands: true, Data: data}}); err != nil {
		return shardlog.Outcome{}, err
	}
	decoded, err := shardlog.DecodeCommands(data)
	if err != nil {
		return shardlog.Outcome{}, err
	}
	out, err := d.store.Apply(d.index, decoded)
	if err != nil {
		return shardlog.Outcome{}, err
	}
	return out[0], nil
}

// openSite runs a site until the test ends.
func openSite(t testing.TB, change func(*streams.Config)) *site {
	t.Helper()
	s, shut := openSiteAt(t, t.TempDir(), change)
	t.Cleanup(shut)
	return s
}

// openSiteAt runs a site in a folder until it is shut.
func openSiteAt(t testing.TB, dir string, change func(*streams.Config)) (s *site, shut func()) {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &direct{store: st, index: st.Journal().Last()}
	for i := st.Applied() + 1; i <= p.index; i++ {
		p.again(t, i)
	}
	c := streams.Config{Gateway: 1, Incarnation: 2, Proposer: p, Catalog: st, States: st, Ground: st, Gaps: st, SyncsPerSecond: 1000,
		Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	l, err := streams.New(c)
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(run(context.Background(), l))
	for !l.Stats().Leading { // else a Take that comes first is refused
		runtime.Gosched()
	}
	return &site{Log: l, Store: st, proposer: p, stop: stop}, func() {
		stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

// again applies what the journal has of an entry.
func (d *direct) again(t testing.TB, index uint64) {
	t.Helper()
	e, err := d.store.Journal().Entry(index)
	if err != nil {
		t.Fatal(err)
	}
	commands, err := shardlog.DecodeCommands(e.Data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Apply(index, commands); err != nil {
		t.Fatal(err)
	}
}

func TestTheWritePathOverAStoreIsALog(t *testing.T) {
	shardlogtest.TestLog(t, func(t *testing.T) shardlogtest.Log { return openSite(t, nil) })
}
