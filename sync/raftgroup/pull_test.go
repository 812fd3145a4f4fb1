package raftgroup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/store"
	"headgate/sync/raftgroup"
)

// well is where a gateway of memory pulls from: whoever of the colony has it.
type well struct {
	colony *colony
	self   *member
	dry    atomic.Bool // nobody answers
	asked  atomic.Int64
}

func (w *well) reach(ctx context.Context, applied uint64) error {
	w.asked.Add(1)
	if w.dry.Load() {
		return errors.New("no peer answered")
	}
	w.colony.mu.Lock()
	members := append([]*member(nil), w.colony.members...)
	w.colony.mu.Unlock()
	for _, m := range members {
		if m != w.self && m.store.Applied() >= applied {
			return w.self.store.pull(ctx, m.store)
		}
	}
	return errors.New("no peer has it")
}

// pull installs another's state, and as a store does it forgets the log.
func (m *memory) pull(_ context.Context, from ground) error {
	o := from.(*memory)
	o.mu.Lock()
	applied, keys := o.applied, append([]string(nil), o.keys...)
	o.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last() > m.applied {
		return errors.New("pulled over a tail")
	}
	if applied > m.applied {
		m.applied, m.keys, m.entries = applied, keys, nil
	}
	return nil
}

func (d *disk) pull(ctx context.Context, from ground) error {
	return d.Pull(ctx, source{from.(*disk).Store}, 0)
}

// source is a peer's store without a link.
type source struct{ s *store.Store }

func (p source) Offer(_ context.Context, above uint64, bucket uint32) (io.ReadCloser, error) {
	return buffered(func(w io.Writer) error { return p.s.WriteOffer(w, above, bucket) })
}

func (p source) Blocks(_ context.Context, request []byte) (io.ReadCloser, error) {
	return buffered(func(w io.Writer) error { return p.s.WriteBlocks(w, request) })
}

func (p source) Keys(_ context.Context, request []byte) (io.ReadCloser, error) {
	return buffered(func(w io.Writer) error { return p.s.WriteKeys(w, request) })
}

func buffered(write func(io.Writer) error) (io.ReadCloser, error) {
	var b bytes.Buffer
	err := write(&b)
	return io.NopCloser(&b), err
}

// forgetState of a store is what a power cut took of it.
func (d *disk) forgetState() {}

// forgetState is a crash that keeps the journal and loses what was applied.
func (m *memory) forgetState() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied, m.keys, m.manifest = 0, nil, nil
}

const few = 4 << 10 // bytes between snapshots

func light(c *raftgroup.Config) { c.SnapshotBytes = few }

func reaching(w *well) func(c *raftgroup.Config) {
	return func(c *raftgroup.Config) { c.Reach = w.reach }
}

// foundTrimmed is a site of one whose log begins late.
func foundTrimmed(s *colony) *member {
	m := s.add()
	s.start(m, light, func(c *raftgroup.Config) { c.Join = false })
	s.lead(m)
	trim(s.t, m, "old")
	return m
}

// trim writes until the log has lost what it held.
func trim(t *testing.T, m *member, prefix string) {
	t.Helper()
	last := m.store.Last()
	for i := 0; m.store.First() <= last+1; i++ {
		propose(t, m.Group, fmt.Sprintf("%s%d-", prefix, i), 5)
	}
}

func TestJoinerPullsWhatTheLogHasLost(t *testing.T) { onEachGround(t, joinerPulls) }

func joinerPulls(t *testing.T, make func(t *testing.T) ground) {
	s := newColony(t, make)
	a := foundTrimmed(s)
	b := s.add()
	w := &well{colony: s, self: b}
	w.dry.Store(true)
	s.start(b, reaching(w))
	s.admit(b)
	eventually(t, func() bool { return w.asked.Load() >= 3 }) // the leader asks again
	if b.store.Applied() != 0 || b.Leader() != a.id {
		t.Errorf("applied %d, leader %q", b.store.Applied(), b.Leader())
	}
	w.dry.Store(false)
	s.same()
	propose(t, a.Group, "new", 10)
	wantEach(t, s.same(), "new", 10)
	if _, ok, _ := b.store.LoadManifest(); !ok || b.store.cuts() > 0 {
		t.Errorf("manifest %v, %d cuts", ok, b.store.cuts())
	}
}

func TestVotersPullAndVoteOn(t *testing.T) { onEachGround(t, votersPull) }

func votersPull(t *testing.T, make func(t *testing.T) ground) {
	s := newColony(t, make)
	a := foundTrimmed(s)
	var others []*member
	for range 2 {
		m := s.add()
		s.start(m, light, reaching(&well{colony: s, self: m}))
		s.admit(m)
		others = append(others, m)
	}
	s.voters(a, others[0], others[1])
	for _, m := range others { // who does not know yet that the other votes gives it no vote
		eventually(t, func() bool { return votersOf(m.Members()) == 3 })
	}
	s.kill(a)
	propose(t, s.leader().Group, "after", 10)
	wantEach(t, s.same(), "after", 10)
}

func votersOf(all []raftgroup.Member) (n int) {
	for _, m := range all {
		if m.Voter {
			n++
		}
	}
	return n
}

// A follower whose log goes on beyond what it has applied cannot be pulled
// over while its engine runs: the engine would go on with a log that is gone.
func TestTailIsCutBeforeAPull(t *testing.T) { onEachGround(t, tailIsCut) }

func tailIsCut(t *testing.T, make func(t *testing.T) ground) {
	s, c, w := behind(t, make)
	tail := c.store.Last() > c.store.Applied()
	s.revive(c, reaching(w))
	s.same()
	if tail && c.store.cuts() == 0 || w.asked.Load() == 0 {
		t.Errorf("tail %v, %d cuts, pulled %d times", tail, c.store.cuts(), w.asked.Load())
	}
	propose(t, s.leader().Group, "new", 10)
	wantEach(t, s.same(), "new", 10)
	s.kill(s.members[1]) // so that c's voice counts
	propose(t, s.leader().Group, "counted", 10)
	wantEach(t, s.same(), "counted", 10)
	s.revive(s.members[1])
	s.same()
	s.kill(s.members[0])
	propose(t, s.leader().Group, "led", 10)
	wantEach(t, s.same(), "led", 10)
}

// behind is a trio of which one is down, holds a log it has not applied, and
// needs a snapshot.
func behind(t *testing.T, make func(t *testing.T) ground) (*colony, *member, *well) {
	s := newColony(t, make)
	a := s.add()
	s.start(a, light, func(c *raftgroup.Config) { c.Join = false })
	s.lead(a)
	b, c := s.join(light), s.join()
	s.voters(a, b, c)
	propose(t, a.Group, "k", 10)
	s.same()
	s.kill(c)
	c.store.forgetState()
	trim(t, a, "old")
	return s, c, &well{colony: s, self: c}
}

func TestPullSurvivesARestart(t *testing.T) { onEachGround(t, pullSurvives) }

func pullSurvives(t *testing.T, make func(t *testing.T) ground) {
	s, c, w := behind(t, make)
	w.dry.Store(true)
	s.revive(c, reaching(w))
	eventually(t, func() bool { return w.asked.Load() >= 2 })
	if c.Stats().Pulling == 0 || c.Leader() == "" {
		t.Errorf("stats %+v", c.Stats())
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	again := &well{colony: s, self: c}
	again.dry.Store(true)
	s.start(c, reaching(again))
	eventually(t, func() bool { return again.asked.Load() >= 2 })
	if c.Term() == 0 {
		t.Error("no term")
	}
	again.dry.Store(false)
	s.same()
}

func TestManifestBeyondTheMachineIsPulled(t *testing.T) {
	s := newColony(t, grounds["memory"])
	_, _, c := s.trio()
	propose(t, s.leader().Group, "k", 10)
	s.same()
	s.live(c, false)
	if err := c.stop(); err != nil { // a clean stop leaves a manifest
		t.Fatal(err)
	}
	m := c.store.(*memory)
	m.mu.Lock()
	m.applied, m.keys = 0, nil
	m.mu.Unlock()
	w := &well{colony: s, self: c}
	w.dry.Store(true)
	s.start(c, reaching(w))
	eventually(t, func() bool { return w.asked.Load() >= 2 })
	w.dry.Store(false)
	wantEach(t, s.same(), "k", 10)
}

// giveUp makes applied entries hollow, as a trim does.
func (m *memory) giveUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range m.entries {
		if e.Commands && e.Index <= m.applied {
			m.entries[i].Data = nil
		}
	}
}

func TestFollowerBehindATrimGetsASnapshot(t *testing.T) {
	s := newColony(t, grounds["memory"])
	a, b, c := s.trio()
	s.kill(c)
	propose(t, a.Group, "gone", 200) // more entries than are kept for followers
	for i := range 40 {
		propose(t, a.Group, fmt.Sprintf("more%d-", i), 1)
	}
	s.same()
	for _, m := range []*member{a, b} {
		m.store.(*memory).giveUp()
	}
	w := &well{colony: s, self: c}
	s.revive(c, reaching(w))
	keys := s.same()
	wantEach(t, keys, "gone", 200)
	if w.asked.Load() == 0 || a.Stats().Snapshots == 0 {
		t.Errorf("pulled %d times, %d snapshots", w.asked.Load(), a.Stats().Snapshots)
	}
	propose(t, s.leader().Group, "new", 10)
	wantEach(t, s.same(), "new", 10)
	m := c.store.(*memory)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.Commands && len(e.Data) == 0 {
			t.Errorf("entry %d is hollow", e.Index)
		}
	}
}

func TestHollowEntriesAreReplayedAtAStart(t *testing.T) {
	m := newMemory()
	g := run(t, alone(m))
	propose(t, g.Group, "k", 20)
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	m.giveUp()
	m.manifest = nil // as after a crash
	again := run(t, alone(m))
	if err := again.Await(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	propose(t, again.Group, "more", 5)
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
	m.giveUp() // the last entry of all, covered by the snapshot
	third := run(t, alone(m))
	propose(t, third.Group, "last", 5)
	wantEach(t, m.list(), "last", 5)
}

func TestRecoverMakesOneOfThree(t *testing.T) { onEachGround(t, recoverOne) }

func recoverOne(t *testing.T, make func(t *testing.T) ground) {
	s := newColony(t, make)
	a, b, c := s.trio()
	propose(t, a.Group, "k", 30)
	s.same()
	// What only c has: an entry that was never agreed on.
	s.kill(a)
	lead := s.leader()
	other := map[*member]*member{b: c, c: b}[lead]
	s.kill(other)
	before := lead.store.Last()
	var lost sync.WaitGroup
	lost.Go(func() {
		_, err := lead.Propose(within(t, 10*time.Second), set("alone"))
		if shardlog.KindOf(err) != shardlog.Unknown && shardlog.KindOf(err) != shardlog.Unavailable {
			t.Errorf("without a majority: %v", err)
		}
	})
	lost.Wait()
	s.kill(lead)
	last, at := lead.store.Last(), lead.store.Applied()
	config := raftgroup.Config{
		ID: lead.id, Machine: lead.store, Journal: lead.store, Locals: lead.store, Snapshots: lead.store,
		Log: silent(), Address: lead.wire.address,
	}
	for range 2 { // twice does no harm
		info, err := raftgroup.Recover(config)
		if err != nil {
			t.Fatal(err)
		}
		if info.LastIndex != last || info.LastTerm == 0 || info.Applied < at {
			t.Errorf("%+v, journal up to %d, applied %d", info, last, at)
		}
		t.Logf("%+v", info)
	}
	s.mu.Lock()
	s.members = []*member{lead}
	s.mu.Unlock()
	s.revive(lead)
	s.lead(lead)
	propose(t, lead.Group, "new", 10)
	wantEach(t, lead.store.list(), "k", 30)
	if alone := slices.Contains(lead.store.list(), "alone"); alone != (last > before) {
		t.Errorf("an entry of its own: %v, journal %d before, %d after", alone, before, last)
	}
	wantEach(t, lead.store.list(), "new", 10)
	if all := lead.Members(); len(all) != 1 || !all[0].Voter {
		t.Errorf("members %v", all)
	}
	growAgain(t, s)
}

// growAgain adds two new gateways to a recovered one.
func growAgain(t *testing.T, s *colony) {
	for i := range 2 {
		m := &member{id: fmt.Sprintf("new%d", i), store: s.make(t), wire: newWire()}
		s.mu.Lock()
		s.members = append(s.members, m)
		s.mu.Unlock()
		s.start(m, reaching(&well{colony: s, self: m}))
		s.admit(m)
	}
	s.voters(s.members...)
	wantEach(t, s.same(), "new", 10)
}

func TestRecoverNeedsALog(t *testing.T) {
	if _, err := raftgroup.Recover(alone(newMemory())); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("an empty store: %v", err)
	}
}
