package raftgroup_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/sync/raftgroup"
)

// wire is a gateway's network: its listener and dialer, which can be cut.
type wire struct {
	mu      sync.Mutex
	cut     bool
	up      *uplink // nil: as fast as it goes
	open    map[net.Conn]struct{}
	address string
}

func newWire() *wire { return &wire{address: "127.0.0.1:0", open: map[net.Conn]struct{}{}} }

type wireListener struct {
	net.Listener
	wire *wire
}

func (l wireListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c = l.wire.keep(c); c != nil {
			return c, nil
		}
	}
}

func (w *wire) keep(c net.Conn) net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		c.Close()
		return nil
	}
	w.open[c] = struct{}{}
	if w.up != nil {
		return slowed{c, w.up}
	}
	return c
}

func (w *wire) dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if c = w.keep(c); c == nil {
		return nil, net.ErrClosed
	}
	return c, nil
}

// sever cuts or mends the wire.
func (w *wire) sever(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for c := range w.open {
		c.Close()
	}
	clear(w.open)
}

// link listens, at the same address as before if there was one.
func (w *wire) link(t *testing.T) *raftgroup.Link {
	t.Helper()
	l, err := net.Listen("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	w.address = l.Addr().String()
	return &raftgroup.Link{Listener: wireListener{l, w}, Dial: w.dial}
}

// ground is what a gateway stands on: journal, machine, locals, manifest.
type ground interface {
	shardlog.Machine
	raftgroup.Journal
	raftgroup.Locals
	raftgroup.Snapshots
	list() []string // keys that were set
	cuts() int      // tails that were cut
	again() ground  // the same after a crash
	forgetState()   // another crash
	pull(ctx context.Context, from ground) error
}

// grounds are what every story of three is told on.
var grounds = map[string]func(t *testing.T) ground{
	"memory": func(*testing.T) ground { return newMemory() },
	"store":  func(t *testing.T) ground { return newDisk(t) },
}

func onEachGround(t *testing.T, story func(t *testing.T, make func(t *testing.T) ground)) {
	for name, make := range grounds {
		t.Run(name, func(t *testing.T) { story(t, make) })
	}
}

// member is one of three voters.
type member struct {
	running
	id    string
	store ground
	wire  *wire
}

type trio struct {
	t       *testing.T
	mu      sync.Mutex // held while a member's group is being replaced
	members []*member
	weight  uint64
}

func newTrio(t *testing.T, snapshotBytes uint64, make func(t *testing.T) ground) *trio {
	t.Helper()
	s := &trio{t: t, weight: snapshotBytes}
	var links []*raftgroup.Link
	for i := range 3 {
		m := &member{id: fmt.Sprintf("g%d", i), store: make(t), wire: newWire()}
		links = append(links, m.wire.link(t))
		s.members = append(s.members, m)
	}
	for i, m := range s.members {
		s.start(m, links[i])
	}
	return s
}

func (s *trio) start(m *member, link *raftgroup.Link) {
	s.t.Helper()
	c := raftgroup.Config{
		ID: m.id, Machine: m.store, Journal: m.store, Locals: m.store, Snapshots: m.store,
		Link: link, Heartbeat: 150 * time.Millisecond, SnapshotBytes: s.weight, Log: silent(),
	}
	for _, o := range s.members {
		c.Servers = append(c.Servers, raftgroup.Server{ID: o.id, Address: o.wire.address})
	}
	started := run(s.t, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	m.running = started
}

// group is a member's at present.
func (s *trio) group(i int) *raftgroup.Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members[i].Group
}

// leader waits for one among the members that are not in the exception.
func (s *trio) leader(except ...*member) *member {
	s.t.Helper()
	var found *member
	eventually(s.t, func() bool {
		for _, m := range s.members {
			if !slices.Contains(except, m) && m.Leading() {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// kill takes a member off the network first, so that it cannot say goodbye.
func (s *trio) kill(m *member) {
	m.wire.sever(true)
	_ = m.stop()
	m.store = m.store.again()
}

// settle waits until all members have applied the same.
func (s *trio) settle() []string {
	s.t.Helper()
	eventually(s.t, func() bool {
		a, b, c := s.members[0].store.list(), s.members[1].store.list(), s.members[2].store.list()
		return slices.Equal(a, b) && slices.Equal(b, c)
	})
	return s.members[0].store.list()
}

// writers propose to whoever leads until stop, and remember what was
// acknowledged and what may have been.
type writers struct {
	mu       sync.Mutex
	acked    []string
	unknown  int
	all      sync.WaitGroup
	stopping context.CancelFunc
}

func (s *trio) write(n int) *writers {
	ctx, cancel := context.WithCancel(context.Background())
	w := &writers{stopping: cancel}
	for i := range n {
		w.all.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				w.one(ctx, s.group((i+k)%3), fmt.Sprintf("w%d-%d", i, k))
			}
		})
	}
	s.t.Cleanup(w.stop)
	return w
}

func (w *writers) one(ctx context.Context, g *raftgroup.Group, key string) {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err := g.Propose(ctx, set(key))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.acked = append(w.acked, key)
	case shardlog.KindOf(err) == shardlog.Unknown:
		w.unknown++
	case strings.HasSuffix(err.Error(), "leads"):
		// Another gateway's business; the next one is asked.
	}
}

func (w *writers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

func (w *writers) stop() {
	w.stopping()
	w.all.Wait()
}

func TestLeadersDieAndNothingAcknowledgedIsLost(t *testing.T) { onEachGround(t, leadersDie) }

func leadersDie(t *testing.T, make func(t *testing.T) ground) {
	s := newTrio(t, 64<<10, make)
	s.leader()
	w := s.write(12)
	for range 3 {
		before := w.count()
		eventually(t, func() bool { return w.count() > before+100 })
		dead := s.leader()
		s.kill(dead)
		before = w.count()
		s.leader(dead)
		eventually(t, func() bool { return w.count() > before+100 })
		dead.wire.sever(false)
		s.start(dead, dead.wire.link(t))
	}
	w.stop()
	applied := map[string]int{}
	for _, k := range s.settle() {
		applied[k]++
	}
	for _, k := range w.acked {
		if applied[k] != 1 {
			t.Errorf("%s applied %d times", k, applied[k])
		}
	}
	t.Logf("%d acknowledged, %d unknown", len(w.acked), w.unknown)
}

func TestCutOffLeaderAnswersUnknownAndCutsItsTail(t *testing.T) { onEachGround(t, leaderIsCutOff) }

func leaderIsCutOff(t *testing.T, make func(t *testing.T) ground) {
	s := newTrio(t, 0, make)
	old := s.leader()
	propose(t, old.Group, "before", 10)
	s.settle()
	old.wire.sever(true)
	var lost sync.WaitGroup
	for i := range 5 {
		lost.Go(func() {
			_, err := old.Propose(within(t, 10*time.Second), set(fmt.Sprintf("lost%d", i)))
			if k := shardlog.KindOf(err); err == nil || k != shardlog.Unknown && k != shardlog.Unavailable {
				t.Errorf("propose without a majority: %v", err)
			}
		})
	}
	now := s.leader(old)
	propose(t, now.Group, "after", 10)
	lost.Wait()
	old.wire.sever(false)
	keys := s.settle()
	wantEach(t, keys, "before", 10)
	wantEach(t, keys, "after", 10)
	if old.store.cuts() == 0 {
		t.Error("no tail was cut")
	}
}

func TestFollowerRefusesAndNamesTheLeader(t *testing.T) {
	s := newTrio(t, 0, grounds["memory"])
	lead := s.leader()
	propose(t, lead.Group, "k", 5)
	s.settle()
	for _, m := range s.members {
		if m == lead {
			continue
		}
		eventually(t, func() bool { return m.Leader() == lead.id })
		_, err := m.Propose(within(t, 5*time.Second), set("no"))
		if err == nil || shardlog.KindOf(err) != shardlog.Unavailable {
			t.Errorf("%s: %v", m.id, err)
		}
	}
}

func TestDutyFollowsTheLeadership(t *testing.T) {
	s := newTrio(t, 0, grounds["memory"])
	at := make(chan string, 16)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, m := range s.members {
		all.Go(func() {
			_ = m.Lead(ctx, func(ctx context.Context) error {
				at <- m.id
				<-ctx.Done()
				return nil
			})
		})
	}
	first := <-at
	for _, m := range s.members {
		if m.id == first {
			if err := m.stop(); err != nil {
				t.Error(err)
			}
		}
	}
	if second := <-at; second == first {
		t.Errorf("%s twice", first)
	}
	cancel()
	all.Wait()
}
