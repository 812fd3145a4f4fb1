package raftgroup

import (
	"cmp"
	"slices"
	"time"

	"headgate/shardlog"
)

// Fact is what this gateway knows of another.
type Fact struct {
	Reachable bool
	Applied   uint64    // by its machine
	Holes     bool      // it lacks blocks, so it may not vote
	Since     time.Time // of the last contact, when it had Applied that; zero: there was none
	Address   string    // where it says it is found; empty: not known
}

// step is one change of the membership.
type step struct {
	do          verb
	id, address string
}

type verb string

const (
	nothing  verb = ""
	move     verb = "set address"
	promote  verb = "promote"
	demote   verb = "demote"
	remove   verb = "remove"
	handOver verb = "hand leadership to"
)

func (s step) String() string { return string(s.do) + " " + s.id }

const (
	mostVoters  = 3
	undoAfter   = 30 * time.Second // a site with an even number of voters goes back
	growthPause = time.Minute      // before it is tried again
	// A learner has caught up that had applied what the leader had applied so
	// long before: that is how long writers wait when it becomes a voter.
	mayLag = 200 * time.Millisecond
)

// state is what a plan goes by besides the members.
type state struct {
	now      time.Time
	self     string   // the leader
	address  string   // its own
	past     []sample // of what the leader has applied, oldest first, at least one
	facts    map[string]Fact
	began    time.Time     // of this leader's stewardship: who was not heard of since is away since then
	even     time.Time     // since when the number of voters is even; zero: it is odd
	held     time.Time     // until then no voter is added to a lone one
	replaces time.Duration // how long a voter may be away
}

// sample is what the leader had applied at a time.
type sample struct {
	at      time.Time
	applied uint64
}

// plan decides the next step towards an odd number of voters, three at most,
// all of them there and without holes. A site of two has one voter.
func (s state) plan(all []Member) step {
	if moved := s.moved(all); moved.do != nothing {
		return moved
	}
	if own, ok := find(all, s.self); !ok || !own.Voter {
		return step{}
	}
	switch n := voters(all); {
	case n == 1:
		return s.grow(all)
	case n == 2:
		return s.complete(all)
	case n > mostVoters:
		return s.to(demote, s.worst(all))
	}
	return s.replace(all)
}

// moved is a member that is found elsewhere now.
func (s state) moved(all []Member) step {
	for _, m := range all {
		at := s.facts[m.ID].Address
		if m.ID == s.self {
			at = s.address
		}
		taken := slices.ContainsFunc(all, func(o Member) bool { return o.Address == at })
		if at != "" && at != m.Address && !taken && !Nowhere(m.Address) {
			return step{move, m.ID, at}
		}
	}
	return step{}
}

// grow begins the way from one voter to three.
func (s state) grow(all []Member) step {
	if ready := s.candidates(all); len(ready) >= 2 && !s.now.Before(s.held) {
		return s.to(promote, ready[0])
	}
	return step{}
}

// complete ends a site of two voters: with a third, else by going back.
func (s state) complete(all []Member) step {
	if ready := s.candidates(all); len(ready) > 0 {
		return s.to(promote, ready[0])
	}
	other := s.worst(all)
	if !s.facts[other.ID].Reachable || !s.even.IsZero() && s.now.Sub(s.even) >= undoAfter {
		return s.to(demote, other)
	}
	return step{}
}

// replace begins to swap a voter for a learner; worst then finds whom to demote.
func (s state) replace(all []Member) step {
	if s.facts[s.self].Holes {
		for _, m := range all {
			if m.Voter && m.ID != s.self && s.ready(m) {
				return s.to(handOver, m)
			}
		}
		return step{}
	}
	bad := s.worst(all)
	ready := s.candidates(all)
	if len(ready) > 0 && (s.facts[bad.ID].Holes || s.away(bad) > s.replaces) {
		return s.to(promote, ready[0])
	}
	return step{}
}

// candidates are the learners that could vote.
func (s state) candidates(all []Member) []Member {
	var ready []Member
	for _, m := range all {
		if !m.Voter && s.ready(m) {
			ready = append(ready, m)
		}
	}
	return ready
}

func (s state) ready(m Member) bool {
	f := s.facts[m.ID]
	return f.Reachable && !f.Holes && f.Applied >= s.appliedAt(f.Since.Add(-mayLag))
}

// appliedAt is what the leader had applied at a time, as far as it is remembered.
func (s state) appliedAt(t time.Time) uint64 {
	i, found := slices.BinarySearchFunc(s.past, t, func(p sample, t time.Time) int { return p.at.Compare(t) })
	if !found {
		i = max(i-1, 0)
	}
	return s.past[i].applied
}

// worst is the voter that is missed least: with holes, longest away, furthest
// behind, newest. Never the leader.
func (s state) worst(all []Member) Member {
	var worst Member
	for _, m := range all {
		if m.Voter && m.ID != s.self && (worst.ID == "" || s.compare(m, worst) >= 0) {
			worst = m
		}
	}
	return worst
}

func (s state) compare(a, b Member) int {
	f, g := s.facts[a.ID], s.facts[b.ID]
	holes := func(f Fact) int {
		if f.Holes {
			return 1
		}
		return 0
	}
	newest := s.past[len(s.past)-1].applied
	behind := func(f Fact) uint64 { return newest - min(f.Applied, newest) }
	return cmp.Or(cmp.Compare(s.away(a), s.away(b)), cmp.Compare(holes(f), holes(g)), cmp.Compare(behind(f), behind(g)))
}

// away is how long a member has not been reached.
func (s state) away(m Member) time.Duration {
	f := s.facts[m.ID]
	if f.Reachable {
		return 0
	}
	since := f.Since
	if since.IsZero() {
		since = s.began
	}
	return max(s.now.Sub(since), 1)
}

func (s state) to(do verb, m Member) step { return step{do, m.ID, m.Address} }

// removal is how a member goes and leaves an odd number of voters.
func (s state) removal(all []Member, id string) ([]step, error) {
	m, ok := find(all, id)
	switch {
	case !ok:
		return nil, shardlog.Errorf(shardlog.NotFound, "remove gateway", "%s is no member", id)
	case !m.Voter:
		return []step{s.to(remove, m)}, nil
	case m.ID == s.self:
		return s.abdicate(all)
	case voters(all)%2 == 0:
		return []step{s.to(remove, m)}, nil
	}
	ready := s.candidates(all)
	if len(ready) == 0 {
		return nil, shardlog.Errorf(shardlog.Invalid, "remove gateway",
			"%s votes and no other gateway is ready to take its place: add one first, or force it and go on with a single voter", id)
	}
	return []step{s.to(promote, ready[0]), s.to(demote, m), s.to(remove, m)}, nil
}

// forcedRemoval leaves the leader as the only voter where it must.
func (s state) forcedRemoval(all []Member, id string) ([]step, error) {
	steps, err := s.removal(all, id)
	if err == nil || shardlog.KindOf(err) != shardlog.Invalid || id == s.self {
		return steps, err
	}
	m, _ := find(all, id)
	var others []Member
	for _, o := range all {
		if o.Voter && o.ID != s.self {
			others = append(others, o)
		}
	}
	// Those that are away first, while there is a majority without them; of two
	// that are, the one that shall go: whoever asks for it may know more.
	slices.SortStableFunc(others, func(a, b Member) int {
		return cmp.Or(cmp.Compare(s.away(b), s.away(a)), cmp.Compare(is(b, id), is(a, id)))
	})
	steps = nil
	for i, o := range others {
		if !s.majority(others[i+1:]) {
			return nil, shardlog.Errorf(shardlog.Unavailable, "remove gateway", "%s is to go on with %d others that vote, and too few of them can be reached", s.self, len(others)-i-1)
		}
		steps = append(steps, s.to(demote, o))
	}
	return append(steps, s.to(remove, m)), nil
}

func is(m Member, id string) int {
	if m.ID == id {
		return 1
	}
	return 0
}

// majority reports whether the leader and those others that can be reached are
// one among the leader and all of them. A step that leaves voters without a
// majority is worse than none: it is not agreed on, and yet the leader goes by
// it, so that a voter it has demoted cannot help it any more.
func (s state) majority(others []Member) bool {
	there := 1
	for _, o := range others {
		if s.facts[o.ID].Reachable {
			there++
		}
	}
	return 2*there > len(others)+1
}

// abdicate hands the leadership to another voter.
func (s state) abdicate(all []Member) ([]step, error) {
	for _, m := range all {
		if m.Voter && m.ID != s.self && s.facts[m.ID].Reachable {
			return []step{s.to(handOver, m)}, nil
		}
	}
	return nil, shardlog.Errorf(shardlog.Invalid, "remove gateway", "%s leads and no other voter can be reached", s.self)
}
