package simulation_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/store"
	"headgate/sync/forward"
	"headgate/sync/raftgroup"
)

// What package gateway wires between the rooms, without its doors and TLS.

type leadership struct {
	*raftgroup.Group
	id string
}

func (l leadership) Alone() bool {
	own := false
	for _, m := range l.Members() {
		switch {
		case m.Voter && m.ID != l.id:
			return false
		case m.Voter:
			own = true
		}
	}
	return own
}

type spoolRows struct{ *store.Spool }

func (s spoolRows) Read(from uint64, maxBytes int) ([]forward.Row, error) {
	rows, err := s.Spool.Read(from, maxBytes)
	all := make([]forward.Row, len(rows))
	for i, r := range rows {
		all[i] = forward.Row{Number: r.Seq, Bytes: r.Bytes}
	}
	return all, err
}

func (s spoolRows) Stats() forward.SpoolStats {
	st := s.Spool.Stats()
	return forward.SpoolStats{First: st.First, Last: st.Last, Bytes: int64(st.Bytes)}
}

// ground is the store with a disk whose use is what its blocks take.
type ground struct {
	*store.Store
	plan *plan
}

func (g ground) Usage() (shardlog.Usage, error) {
	u := shardlog.Usage{}
	for _, s := range g.Streams() {
		for _, e := range g.Extents(s.ID) {
			u.Stored += e.Bytes
		}
	}
	return u, nil
}

func (l *life) dialRaft(ctx context.Context, at string) (net.Conn, error) {
	return l.sim.net.dial(ctx, l, hostOf(at))
}

// greeting is what a gateway says of itself each second.
type greeting struct {
	id      string
	applied uint64
	leading bool
	holes   bool
	wall    time.Time
	synced  bool
}

func (l *life) greet() greeting {
	return greeting{id: l.name, applied: l.store.Applied(), leading: l.group.Leading(), holes: l.incomplete(),
		wall: l.box.clock.wall(), synced: l.box.clock.isSynced()}
}

func (l *life) incomplete() bool {
	n, err := l.store.Holes()
	return n > 0 || err != nil
}

// acquaintances are what a life knows of the others.
type acquaintances struct {
	of *life
	mu sync.Mutex
	by map[string]acquaintance
}

type acquaintance struct {
	host      int
	said      greeting
	contact   time.Time
	reachable bool
	offset    time.Duration
}

func newAcquaintances(l *life) *acquaintances {
	return &acquaintances{of: l, by: map[string]acquaintance{}}
}

const greetingTime = 3 * time.Second

func (a *acquaintances) run(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	busy := map[int]bool{}
	var mu sync.Mutex
	for {
		for _, id := range a.neighbours() {
			host, ok := a.of.sim.hostOfGateway(id)
			mu.Lock()
			skip := !ok || id == a.of.name || busy[host]
			if !skip {
				busy[host] = true
			}
			mu.Unlock()
			if skip {
				continue
			}
			asking.Go(func() {
				a.ask(ctx, id, host)
				mu.Lock()
				defer mu.Unlock()
				busy[host] = false
			})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// neighbours are the members of the site, and before it knows the site, those
// that its papers name.
func (a *acquaintances) neighbours() (ids []string) {
	for _, m := range a.of.group.Members() {
		ids = append(ids, m.ID)
	}
	if len(ids) > 0 {
		return ids
	}
	for _, b := range a.of.sim.boxes {
		ids = append(ids, b.name())
	}
	return ids
}

func (a *acquaintances) ask(ctx context.Context, id string, host int) {
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	l, began := a.of, time.Now()
	var said greeting
	var mu sync.Mutex
	_, err := l.sim.net.call(ctx, l, host, nil, func(_ context.Context, there *life, _ []byte) []byte {
		if there.name != id || !there.enter() {
			return nil
		}
		defer there.leave()
		mu.Lock()
		defer mu.Unlock()
		said = there.greet()
		return []byte{}
	})
	mu.Lock()
	defer mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.by[id]
	k.host = host
	if k.reachable = err == nil; k.reachable {
		k.said, k.contact = said, time.Now()
		middle := l.box.clock.wall().Add(-l.box.clock.scaled(time.Since(began)) / 2)
		k.offset = said.wall.Sub(middle)
	}
	a.by[id] = k
}

func (a *acquaintances) all() []acquaintance {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []acquaintance
	for _, k := range a.by {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b acquaintance) int { return a.host - b.host })
	return all
}

func (a *acquaintances) offset() (time.Duration, int) {
	var all []time.Duration
	for _, k := range a.all() {
		if k.reachable && k.said.synced {
			all = append(all, k.offset)
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	low, high := all[(len(all)-1)/2], all[len(all)/2]
	return low + (high-low)/2, len(all)
}

func (l *life) facts() map[string]raftgroup.Fact {
	all := map[string]raftgroup.Fact{l.name: {Reachable: true, Applied: l.store.Applied(), Holes: l.incomplete(), Since: time.Now()}}
	for _, k := range l.peers.all() {
		if k.said.id != "" {
			all[k.said.id] = raftgroup.Fact{Reachable: k.reachable, Applied: k.said.applied, Holes: k.said.holes, Since: k.contact, Address: address(k.host).String()}
		}
	}
	return all
}

// reach is package gateway's: pull from whoever has it.
func (l *life) reach(ctx context.Context, applied uint64) error {
	var last error = shardlog.Errorf(shardlog.Unavailable, "catch up", "no gateway that has entry %d can be reached", applied)
	for _, host := range l.givers(applied) {
		last = l.store.Pull(ctx, source{l, host}, 32<<20)
		l.sim.counts.pulls.Add(1)
		if last == nil && l.store.Applied() >= applied {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return last
}

func (l *life) givers(applied uint64) []int {
	var rest, leader []int
	for _, k := range l.peers.all() {
		switch {
		case !k.reachable || k.said.applied < applied || k.said.holes:
		case k.said.leading:
			leader = append(leader, k.host)
		default:
			rest = append(rest, k.host)
		}
	}
	return append(rest, leader...)
}

func (l *life) repair(ctx context.Context) error {
	for {
		if l.incomplete() {
			for _, host := range l.givers(l.store.Applied()) {
				_, _ = l.store.RepairFrom(ctx, source{l, host}, 32<<20)
				l.sim.counts.repairs.Add(1)
				if !l.incomplete() {
					break
				}
			}
		}
		if rest(ctx, 5*time.Second) != nil {
			return nil
		}
	}
}

func (l *life) keepTime(ctx context.Context) error {
	for rest(ctx, time.Second) == nil {
		l.log.Clock().Floor(l.store.Tail().Stamp)
		l.log.Clock().Stamp()
	}
	return nil
}

func (l *life) scrub(ctx context.Context) error {
	_ = l.store.Scrub(ctx, store.Scrubbing{Rate: 256 << 10})
	<-ctx.Done()
	return nil
}

// takes is how long the disk takes over something: what the plan says, and
// as long as the process stands still. A dead life's disk takes nothing.
func (l *life) takes() {
	if slow := l.sim.plan.slow; slow > 0 {
		f := l.sim.net.draw().Float64()
		_ = rest(l.beats, time.Duration(f*f*f*f*float64(slow)))
	}
	_ = l.box.wait(l.beats)
}

// slowJournal is a journal on a disk that takes its time, before and after.
type slowJournal struct {
	*store.Journal
	life *life
}

func (j slowJournal) Append(entries []shardlog.JournalEntry) error {
	j.life.takes()
	err := j.Journal.Append(entries)
	_ = j.life.box.wait(j.life.beats)
	return err
}

type slowSpool struct {
	spoolRows
	life *life
}

func (s slowSpool) Append(rows [][]byte) (uint64, error) {
	s.life.takes()
	first, err := s.spoolRows.Append(rows)
	_ = s.life.box.wait(s.life.beats)
	return first, err
}
