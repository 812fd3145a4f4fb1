package raftgroup_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/sync/raftgroup"
)

// colony is a site that begins with one gateway and grows.
type colony struct {
	t    *testing.T
	make func(t *testing.T) ground
	// heartbeat is short where leaders die, and long where one has to stay.
	heartbeat time.Duration

	mu      sync.Mutex
	members []*member
	alive   map[string]bool
	holes   map[string]bool
	last    map[string]time.Time // of contact, the same for all
}

func newColony(t *testing.T, make func(t *testing.T) ground) *colony {
	return &colony{t: t, make: make, heartbeat: 600 * time.Millisecond, alive: map[string]bool{}, holes: map[string]bool{}, last: map[string]time.Time{}}
}

// found makes the first gateway.
func (s *colony) found() *member {
	s.t.Helper()
	m := s.add()
	s.start(m, func(c *raftgroup.Config) { c.Join = false })
	s.lead(m)
	return m
}

// join makes another and adds it.
func (s *colony) join(edit ...func(c *raftgroup.Config)) *member {
	s.t.Helper()
	m := s.add()
	s.start(m, edit...)
	s.admit(m)
	return m
}

// admit adds a gateway to the site, whoever leads it.
func (s *colony) admit(m *member) {
	s.t.Helper()
	var err error
	eventuallyOr(s.t, func() bool {
		err = s.leader().AddLearner(within(s.t, 10*time.Second), m.id, m.wire.address)
		return err == nil
	}, func() string { return fmt.Sprint("add learner: ", err) })
}

// trio is a colony of three voters.
func (s *colony) trio() (a, b, c *member) {
	s.t.Helper()
	a, b, c = s.found(), s.join(), s.join()
	s.voters(a, b, c)
	return a, b, c
}

func (s *colony) add() *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &member{id: fmt.Sprintf("g%d", len(s.members)), store: s.make(s.t), wire: newWire()}
	s.members = append(s.members, m)
	return m
}

func (s *colony) start(m *member, edit ...func(c *raftgroup.Config)) {
	s.t.Helper()
	link := m.wire.link(s.t)
	c := raftgroup.Config{
		ID: m.id, Machine: m.store, Journal: m.store, Locals: m.store, Snapshots: m.store, Log: silent(),
		Link: link, Address: m.wire.address, Join: true, Heartbeat: s.heartbeat,
		Facts: s.facts, Replace: 500 * time.Millisecond,
	}
	for _, e := range edit {
		e(&c)
	}
	m.running = run(s.t, c)
	s.live(m, true)
	ctx, cancel := context.WithCancel(context.Background())
	var duty sync.WaitGroup
	duty.Go(func() { _ = m.Lead(ctx, m.Steward) })
	stop := m.stop
	m.stop = sync.OnceValue(func() error {
		cancel()
		duty.Wait()
		return stop()
	})
	s.t.Cleanup(func() { _ = m.stop() })
}

func (s *colony) live(m *member, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive[m.id] = on
	s.last[m.id] = time.Now()
}

func (s *colony) pierce(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holes[m.id] = true
}

func (s *colony) facts() map[string]raftgroup.Fact {
	s.mu.Lock()
	defer s.mu.Unlock()
	facts := map[string]raftgroup.Fact{}
	for _, m := range s.members {
		f := raftgroup.Fact{Reachable: s.alive[m.id], Holes: s.holes[m.id], Since: s.last[m.id]}
		if f.Reachable {
			f.Applied, f.Since = m.store.Applied(), time.Now()
		}
		facts[m.id] = f
	}
	return facts
}

func (s *colony) kill(m *member) {
	s.t.Helper()
	s.live(m, false)
	m.wire.sever(true)
	_ = m.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	m.store = m.store.again()
}

func (s *colony) revive(m *member, edit ...func(c *raftgroup.Config)) {
	s.t.Helper()
	m.wire.sever(false)
	s.start(m, edit...)
}

func (s *colony) lead(m *member) {
	s.t.Helper()
	if err := m.Await(within(s.t, 10*time.Second)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *colony) leader() *member {
	s.t.Helper()
	var found *member
	eventually(s.t, func() bool {
		for _, m := range s.members {
			if s.alive[m.id] && m.Leading() {
				found = m
			}
		}
		return found != nil
	})
	return found
}

// voters waits until these and no others vote.
func (s *colony) voters(want ...*member) {
	s.t.Helper()
	var got []string
	eventuallyOr(s.t, func() bool {
		got = nil
		for _, m := range s.leader().Members() {
			if m.Voter {
				got = append(got, m.ID)
			}
		}
		return len(got) == len(want) && !slices.ContainsFunc(want, func(m *member) bool { return !slices.Contains(got, m.id) })
	}, func() string { return fmt.Sprint("voters ", got) })
}

// same waits until all that live hold the same and answers it.
func (s *colony) same() []string {
	s.t.Helper()
	var keys []string
	eventuallyOr(s.t, func() bool {
		keys = s.leader().store.list()
		for _, m := range s.members {
			if s.alive[m.id] && !slices.Equal(keys, m.store.list()) {
				return false
			}
		}
		return true
	}, s.describe)
	return keys
}

func (s *colony) describe() string {
	text := ""
	for _, m := range s.members {
		text += fmt.Sprintf("%s: %d keys, %+v\n", m.id, len(m.store.list()), m.Stats())
	}
	return text
}

// mustWrite proposes to one gateway until stop; every proposal must succeed.
func mustWrite(t *testing.T, m *member) (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var n [4]int
	for i := range n {
		all.Go(func() {
			tick := time.NewTicker(time.Millisecond) // without a disk a lone voter outruns any learner
			defer tick.Stop()
			for ; ctx.Err() == nil; <-tick.C {
				if _, err := m.Propose(context.Background(), set(fmt.Sprintf("w%d-%d", i, n[i]))); err != nil {
					t.Errorf("write %d: %v", n[i], err)
					return
				}
				n[i]++
			}
		})
	}
	halt := sync.OnceValue(func() int {
		cancel()
		all.Wait()
		return n[0] + n[1] + n[2] + n[3]
	})
	t.Cleanup(func() { halt() })
	return halt
}

func TestSiteGrowsToThreeUnderWrites(t *testing.T) { onEachGround(t, siteGrows) }

func siteGrows(t *testing.T, make func(t *testing.T) ground) {
	s := newColony(t, make)
	s.heartbeat = 2 * time.Second
	a := s.found()
	stop := mustWrite(t, a)
	b := s.join()
	c := s.join()
	s.voters(a, b, c)
	n := stop()
	if keys := s.same(); len(keys) != n {
		t.Errorf("%d keys of %d writes", len(keys), n)
	}
	if a.Term() == 0 || b.Leader() != a.id || b.LeaderAddress() != a.wire.address {
		t.Errorf("term %d, %s at %s", a.Term(), b.Leader(), b.LeaderAddress())
	}
}

func TestSecondGatewayNeverVotes(t *testing.T) {
	s := newColony(t, grounds["memory"])
	a := s.found()
	b := s.join()
	propose(t, a.Group, "with", 10)
	s.same()
	if st := a.Stats(); st.Voters != 1 || st.Learners != 1 {
		t.Errorf("%d voters, %d learners", st.Voters, st.Learners)
	}
	if st := b.Stats(); time.Since(st.LastContact) > 5*time.Second {
		t.Errorf("last contact %v", st.LastContact)
	}
	s.kill(b)
	propose(t, a.Group, "without", 10)
	if err := a.Remove(within(t, 5*time.Second), a.id); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("remove the only voter: %v", err)
	}
	s.revive(b)
	s.same()
}

func TestFourthTakesADeadVotersPlace(t *testing.T) { onEachGround(t, fourthTakesPlace) }

func fourthTakesPlace(t *testing.T, make func(t *testing.T) ground) {
	s := newColony(t, make)
	a, b, c := s.trio()
	d := s.join()
	propose(t, a.Group, "four", 20)
	s.same()
	s.voters(a, b, c)
	s.kill(b)
	s.voters(a, c, d)
	propose(t, s.leader().Group, "replaced", 20)
	s.revive(b)
	keys := s.same()
	wantEach(t, keys, "four", 20)
	wantEach(t, keys, "replaced", 20)
	s.kill(a) // the leader; the one that came back takes its place
	s.voters(b, c, d)
	propose(t, s.leader().Group, "again", 20)
	wantEach(t, s.same(), "again", 20)
}

func TestVoterWithHolesIsReplaced(t *testing.T) {
	s := newColony(t, grounds["memory"])
	a, b, c := s.trio()
	s.pierce(c)
	d := s.join()
	s.voters(a, b, d)
	s.pierce(a)
	s.voters(a, b, d) // nobody is left to take its place, but it need not lead
	eventually(t, func() bool { return !a.Leading() })
}

func TestRemoveSwapsFirst(t *testing.T) {
	s := newColony(t, grounds["memory"])
	s.heartbeat = 2 * time.Second
	a, b, c := s.trio()
	ctx := within(t, 20*time.Second)
	if err := a.Remove(ctx, b.id); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("without a learner: %v", err)
	}
	if err := b.Remove(ctx, c.id); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("by a follower: %v", err)
	}
	if err := b.AddLearner(ctx, "x", "127.0.0.1:1"); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("added by a follower: %v", err)
	}
	d := s.join()
	stop := mustWrite(t, a)
	eventually(t, func() bool { return a.Remove(ctx, b.id) == nil }) // as soon as d has caught up
	stop()
	s.live(b, false)
	s.voters(a, c, d)
	if err := b.stop(); err != nil {
		t.Error(err)
	}
	if err := a.Remove(ctx, b.id); shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("again: %v", err)
	}
	if err := a.Remove(ctx, a.id); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("the leader: %v", err)
	}
	eventually(t, func() bool { return !a.Leading() })
	lead := s.leader()
	if err := lead.RemoveForced(ctx, a.id); err != nil {
		t.Error(err)
	}
	s.live(a, false)
	s.voters(lead)
	s.kill(a)
	propose(t, lead.Group, "one", 5)
}

func TestFounderAloneGetsALink(t *testing.T) {
	s := newColony(t, grounds["memory"])
	m := s.add()
	lone := run(t, raftgroup.Config{ID: m.id, Machine: m.store, Journal: m.store, Locals: m.store, Snapshots: m.store, Log: silent()})
	propose(t, lone.Group, "alone", 5)
	if all := lone.Members(); len(all) != 1 || all[0].Address != "alone" {
		t.Errorf("members %v", all)
	}
	if err := lone.stop(); err != nil {
		t.Fatal(err)
	}
	s.start(m)
	s.lead(m)
	b := s.join()
	if all := m.Members(); len(all) != 2 || all[0].Address != m.wire.address || all[1].Address != b.wire.address {
		t.Errorf("members %v", all)
	}
	wantEach(t, s.same(), "alone", 5)
	if err := m.SetHeartbeat(time.Second); err != nil {
		t.Error(err)
	}
}

func TestJoinerWithoutASiteWaits(t *testing.T) {
	s := newColony(t, grounds["memory"])
	m := s.add()
	s.start(m)
	if _, err := m.Propose(within(t, 400*time.Millisecond), set("no")); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("propose: %v", err)
	}
	if len(m.Members()) != 0 || m.Leading() {
		t.Errorf("members %v", m.Members())
	}
	if err := m.stop(); err != nil {
		t.Error(err)
	}
	if _, err := raftgroup.Open(raftgroup.Config{ID: "x", Machine: m.store, Journal: m.store, Locals: m.store, Snapshots: m.store, Join: true}); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("join without a link: %v", err)
	}
}

// eventuallyOr says what it saw when the condition does not come.
func eventuallyOr(t *testing.T, ok func() bool, saw func() string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Log(saw())
		}
	}()
	eventually(t, ok)
}

// A gateway that lost its log is where the one was that it has been. That one
// keeps its vote, and a member that is there keeps its address.
func TestSupersedeKeepsVotersOdd(t *testing.T) {
	s := newColony(t, grounds["memory"])
	a, b, c := s.trio()
	ctx := within(t, 20*time.Second)
	address := map[string]string{}
	for _, m := range a.Members() {
		address[m.ID] = m.Address
	}
	if err := a.Supersede(ctx, "nobody", "new", address[c.id]); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("in the place of one that is there: %v", err)
	}
	s.kill(b)
	for range 2 { // again when the answer got lost
		if err := a.Supersede(ctx, b.id, "new", address[b.id]); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range a.Members() {
		switch {
		case m.ID == b.id && (!m.Voter || !raftgroup.Nowhere(m.Address)),
			m.ID == "new" && (m.Voter || m.Address != address[b.id]),
			m.ID == c.id && (!m.Voter || m.Address != address[c.id]):
			t.Errorf("members are %+v", a.Members())
		}
	}
	propose(t, a.Group, "meanwhile", 10)
	if err := a.Remove(ctx, b.id); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("nobody can vote in its place yet: %v", err)
	}
}
