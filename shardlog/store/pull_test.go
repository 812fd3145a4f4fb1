package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

// peer is a store as another one sees it over a link: answers are bytes, and
// links break.
type peer struct {
	s       *store.Store
	left    int    // bytes until the link breaks; negative: never
	carried int    // bytes
	asked   int    // blocks
	before  func() // called before blocks are given
}

func newPeer(s *store.Store) *peer { return &peer{s: s, left: -1} }

var errLink = errors.New("link broke")

// link breaks when its time has come.
type link struct {
	p *peer
	r io.Reader
}

func (l link) Read(b []byte) (int, error) {
	if l.p.left == 0 {
		return 0, errLink
	}
	if l.p.left > 0 {
		b = b[:min(len(b), l.p.left)]
	}
	n, err := l.r.Read(b)
	if l.p.carried += n; l.p.left > 0 {
		l.p.left -= n
	}
	return n, err
}

func (p *peer) answer(write func(io.Writer) error) (io.ReadCloser, error) {
	if p.left == 0 {
		return nil, errLink
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return nil, err
	}
	return io.NopCloser(link{p, &b}), nil
}

func (p *peer) Offer(_ context.Context, above uint64, bucket uint32) (io.ReadCloser, error) {
	return p.answer(func(w io.Writer) error { return p.s.WriteOffer(w, above, bucket) })
}

func (p *peer) Blocks(_ context.Context, request []byte) (io.ReadCloser, error) {
	if p.before != nil {
		p.before()
	}
	p.asked += (len(request) - 1) / 19
	return p.answer(func(w io.Writer) error { return p.s.WriteBlocks(w, request) })
}

func (p *peer) Keys(_ context.Context, request []byte) (io.ReadCloser, error) {
	return p.answer(func(w io.Writer) error { return p.s.WriteKeys(w, request) })
}

// follow brings a store forward by the leader's journal, up to an index.
func (w *writer) follow(leader *writer, through uint64) {
	w.t.Helper()
	for w.index < through {
		e, err := leader.s.Journal().Entry(w.index + 1)
		if err != nil || len(e.Data) == 0 {
			w.t.Fatalf("entry %d: %d bytes, %v", w.index+1, len(e.Data), err)
		}
		if err := w.s.Journal().Append([]shardlog.JournalEntry{e}); err != nil {
			w.t.Fatal(err)
		}
		w.index++
		w.at = leader.at
		w.apply(e.Data)
	}
}

// holds is all that a store holds of what the site agreed on: state and blocks.
func holds(t *testing.T, s *store.Store) string {
	t.Helper()
	var text strings.Builder
	sum := func(b []byte) uint32 { return crc32.ChecksumIEEE(b) }
	o, err := s.Offer()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Rows(func(key, value []byte) error { fmt.Fprintf(&text, "%q=%x %.40q\n", key, sum(value), value); return nil }); err != nil {
		t.Fatal(err)
	}
	err = o.Blocks(0, 0, func(k store.BlockKey, size int) error {
		sealed, err := s.Block(k)
		fmt.Fprintf(&text, "%s %d %x\n", k, size, sum(sealed))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func same(t *testing.T, leader, follower *writer) {
	t.Helper()
	if a, b := holds(t, leader.s), holds(t, follower.s); a != b {
		t.Fatalf("stores differ:\n%.3000s\nand\n%.3000s", a, b)
	}
	if a, b := leader.tellAll(), follower.tellAll(); a != b {
		t.Fatalf("readers see\n%.2000s\nand\n%.2000s", a, b)
	}
	if n, err := follower.s.Holes(); n != 0 || err != nil {
		t.Fatalf("%d holes, %v", n, err)
	}
}

func steps(w *writer, from, to int) {
	for n := from; n < to; n++ {
		w.step(1, n)
	}
}

// together is steps that a follower follows.
func together(leader, follower *writer, to int) {
	for n := range to {
		leader.step(1, n)
		if n%40 != 0 { // where the journal's head is dropped, too late to follow
			follower.follow(leader, leader.s.Applied())
		}
	}
}

func pull(t *testing.T, w *writer, from store.Source) {
	t.Helper()
	if err := w.s.Pull(context.Background(), from, 0); err != nil {
		t.Fatal(err)
	}
	w.index = w.s.Applied()
}

func TestPullBringsAStoreToWhereThePeerIs(t *testing.T) {
	for behind := range 4 { // nothing, and up to some steps
		t.Run(fmt.Sprint(behind*50), func(t *testing.T) {
			leader := open(t, t.TempDir(), nil)
			defer leader.s.Close()
			dir := t.TempDir()
			follower := open(t, dir, nil)
			if behind > 0 {
				together(leader, follower, 1+behind*50)
			} else {
				steps(leader, 0, 1)
			}
			waited := make(chan error, 1)
			if st, ok := follower.s.Stream("s"); ok {
				go func() { // of the leader's next record
					waited <- follower.s.Wait(context.Background(), st.Shards[0].ID, st.Shards[0].Next)
				}()
			} else {
				waited <- nil
			}
			steps(leader, 1+behind*50, 240)
			p := newPeer(leader.s)
			pull(t, follower, p)
			if err := <-waited; err != nil {
				t.Fatal(err)
			}
			same(t, leader, follower)
			if err := follower.s.Pull(context.Background(), p, 0); shardlog.KindOf(err) != shardlog.Expired {
				t.Fatalf("pulled from one that is no further: %v", err)
			}
			// It goes on with the journal, also after a restart.
			last := leader.s.Applied()
			steps(leader, 240, 255)
			follower.follow(leader, leader.s.Applied())
			same(t, leader, follower)
			follower.s.Close()
			follower = open(t, dir, nil)
			defer follower.s.Close()
			if first := follower.s.Journal().First(); first != last+1 {
				t.Fatalf("journal begins at %d, %d was pulled", first, last)
			}
			same(t, leader, follower)
		})
	}
}

func TestPullGoesOnWhereItWasBrokenOff(t *testing.T) {
	leader := open(t, t.TempDir(), nil)
	defer leader.s.Close()
	dir := t.TempDir()
	follower := open(t, dir, nil)
	together(leader, follower, 30)
	before := follower.tellAll()
	steps(leader, 30, 240)
	p := newPeer(leader.s)
	r := rand.New(rand.NewPCG(5, 5))
	for tries := 0; ; tries++ {
		p.left = 5000 + r.IntN(20000)
		if p.left = p.left * (tries + 1); tries > 40 {
			t.Fatal("it never comes to an end")
		}
		err := follower.s.Pull(context.Background(), p, 0)
		if err == nil {
			break
		}
		if shardlog.KindOf(err) != shardlog.Unavailable {
			t.Fatal(err)
		}
		if got := follower.tellAll(); got != before {
			t.Fatalf("half of a pull is seen:\n%s", got)
		}
		if tries%3 == 0 {
			follower.s.Close()
			follower = open(t, dir, nil)
		}
	}
	defer func() { follower.s.Close() }()
	follower.index = follower.s.Applied()
	same(t, leader, follower)
}

// What the peer gives up while it is pulled from, and what it had given up
// after the first half came, does not stay here.
func TestPullWhileThePeerTrims(t *testing.T) {
	leader := open(t, t.TempDir(), nil)
	defer leader.s.Close()
	follower := open(t, t.TempDir(), nil)
	defer follower.s.Close()
	together(leader, follower, 70)
	steps(leader, 70, 89)
	for n := 91; n < 270; n++ {
		if n%90 != 0 {
			leader.step(1, n)
		}
	}
	p := newPeer(leader.s)
	p.left = 30_000
	if err := follower.s.Pull(context.Background(), p, 0); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Fatal(err)
	}
	st, _ := leader.s.Stream("s")
	trims := uint32(0)
	p.left = -1
	p.before = func() {
		if trims++; trims <= 2 {
			leader.do(shardlog.Trim{At: leader.at, Stream: st.ID, Through: 1 + trims})
		}
	}
	pull(t, follower, p)
	if trims < 3 {
		t.Fatalf("trimmed %d times", trims)
	}
	pullOn := newPeer(leader.s)
	if leader.s.Applied() > follower.s.Applied() {
		pull(t, follower, pullOn)
	}
	same(t, leader, follower)
	if len(follower.s.Extents(st.ID)) != len(leader.s.Extents(st.ID)) || follower.s.Extents(st.ID)[0].Bucket <= 2 {
		t.Fatalf("extents %v", follower.s.Extents(st.ID))
	}
}

func TestPullRefusesAJournalThatIsNotApplied(t *testing.T) {
	leader := open(t, t.TempDir(), nil)
	defer leader.s.Close()
	follower := open(t, t.TempDir(), nil)
	defer follower.s.Close()
	steps(leader, 0, 20)
	e, err := leader.s.Journal().Entry(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := follower.s.Journal().Append([]shardlog.JournalEntry{e}); err != nil {
		t.Fatal(err)
	}
	if err := follower.s.Pull(context.Background(), newPeer(leader.s), 0); shardlog.KindOf(err) != shardlog.Invalid {
		t.Fatal(err)
	}
	if err := follower.s.Journal().DropTail(1); err != nil {
		t.Fatal(err)
	}
	pull(t, follower, newPeer(leader.s))
	same(t, leader, follower)
}

// TestPowerCutsInAPull cuts the power before changes all over a pull. What
// comes out shows the old state or the new one, nothing in between, and the
// pull can be done over.
func TestPowerCutsInAPull(t *testing.T) {
	leader := open(t, t.TempDir(), nil)
	defer leader.s.Close()
	start := store.NewCrashableDisk()
	follower := open(t, "data", start)
	together(leader, follower, 61)
	before := follower.tellAll()
	follower.s.Close()
	steps(leader, 61, 240)
	for range 500 { // a state of more than one batch
		leader.do(shardlog.Mutate{At: leader.at, Mutations: []shardlog.Mutation{{Space: "big", Key: fmt.Sprint(leader.index), Value: []byte(noise(int(leader.index)) + noise(1) + noise(2) + noise(3))}}})
	}
	after := leader.tellAll()

	tell := func(at func(d *store.Disk)) {
		d := start.Crash(100, 1)
		lock := make(chan struct{}, 1)
		d.Watch(func(store.Event) error {
			lock <- struct{}{}
			at(d)
			<-lock
			return nil
		})
		w := open(t, "data", d)
		pull(t, w, newPeer(leader.s))
		w.s.Close()
	}
	events := 0
	tell(func(*store.Disk) { events++ })
	want := crashPoints(t) / 4
	every := max(events/want, 1)
	var cuts []*store.Disk
	n := 0
	tell(func(d *store.Disk) {
		if n++; n%every == 0 {
			cuts = append(cuts, d.Crash([]int{0, 50, 100, 20}[len(cuts)%4], uint64(n)))
		}
	})
	old := 0
	for _, d := range cuts {
		w := open(t, "data", d)
		if w.s.Damage() != "" {
			t.Fatal(w.s.Damage())
		}
		switch got := w.tellAll(); got {
		case before:
			old++
			pull(t, w, newPeer(leader.s))
		case after:
		default:
			t.Fatalf("the store tells\n%.2000s", got)
		}
		same(t, leader, w)
		w.s.Close()
	}
	if old == 0 || old == len(cuts) {
		t.Fatalf("%d of %d cuts show the old state", old, len(cuts))
	}
	t.Logf("%d events, %d cuts, %d before the switch", events, len(cuts), old)
}

func TestPullKeepsToItsRate(t *testing.T) {
	leader := open(t, t.TempDir(), nil)
	defer leader.s.Close()
	steps(leader, 0, 50)
	follower := open(t, t.TempDir(), nil)
	defer follower.s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	p := newPeer(leader.s)
	if err := follower.s.Pull(ctx, p, 1); shardlog.KindOf(err) != shardlog.Unavailable || p.carried > 64<<10 {
		t.Fatalf("%d bytes were carried, %v", p.carried, err)
	}
}

func TestHollowEntries(t *testing.T) {
	w := open(t, t.TempDir(), nil)
	defer w.s.Close()
	st := w.create("s", 1)
	w.put("s", 1, 1, "a")
	given := w.index
	w.put("s", 2, 2, "b")
	w.do(shardlog.Trim{At: w.at, Stream: st.ID, Through: 1})
	e, err := w.s.Journal().Entry(given)
	if err != nil || !e.Commands || len(e.Data) != 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	if e, err = w.s.Journal().Entry(given + 1); err != nil || len(e.Data) == 0 {
		t.Fatalf("%+v, %v", e, err)
	}
}
