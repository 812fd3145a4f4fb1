package raftgroup

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// Member is one gateway of the site.
type Member struct {
	ID      string
	Address string
	Voter   bool // else a learner: it gets every entry and is not asked
}

// changeWait is how long a change of the membership waits for the one before it.
const changeWait = 10 * time.Second

// Members are the gateways of the site as this one knows them, in the order
// in which they came. Nil before the first start and on a gateway that was
// not added yet.
func (g *Group) Members() []Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.engine != nil {
		return membersOf(g.engine)
	}
	return append([]Member(nil), g.members...)
}

func membersOf(r *raft.Raft) []Member {
	future := r.GetConfiguration()
	if future.Error() != nil {
		return nil
	}
	return membersIn(future.Configuration())
}

func membersIn(c raft.Configuration) []Member {
	var all []Member
	for _, s := range c.Servers {
		all = append(all, Member{string(s.ID), string(s.Address), s.Suffrage == raft.Voter})
	}
	return all
}

func voters(all []Member) int {
	n := 0
	for _, m := range all {
		if m.Voter {
			n++
		}
	}
	return n
}

func find(all []Member, id string) (Member, bool) {
	for _, m := range all {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}

// Term is the consensus term, zero before the first start.
func (g *Group) Term() uint64 {
	if r := g.running(); r != nil {
		return r.CurrentTerm()
	}
	term, err := stableStore{g.config.Locals, g.fail}.GetUint64([]byte("CurrentTerm"))
	if err != nil {
		return 0
	}
	return term
}

func (g *Group) running() *raft.Raft {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.engine
}

// AddLearner adds a gateway that gets every entry and is not asked, or
// changes the address of a member. It returns when that is agreed on.
//
// Only the leader can: Kind Unavailable, nothing was done. Kind Unknown: it
// may have been. Kind Invalid: another member has the address.
func (g *Group) AddLearner(ctx context.Context, id, address string) error {
	done, err := g.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return g.addLearner(ctx, id, address)
}

// addLearner is AddLearner for who has the turn.
func (g *Group) addLearner(ctx context.Context, id, address string) error {
	// The new one has to find the leader under its address.
	if own, ok := find(g.Members(), g.config.ID); ok && g.config.Address != "" && own.Address != g.config.Address {
		if err := g.alter(ctx, step{move, g.config.ID, g.config.Address}); err != nil {
			return err
		}
	}
	return g.alter(ctx, step{move, id, address})
}

// Supersede is AddLearner of a gateway that is where another was that will not
// come back: one that lost its log. The other one keeps its vote, which nobody
// casts, and moves to an address that leads nowhere (see Nowhere); Remove it
// once somebody is ready to vote in its place. Nothing is done when the
// gateway is there already. Kinds as AddLearner.
func (g *Group) Supersede(ctx context.Context, before, id, address string) error {
	done, err := g.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	if m, ok := find(g.Members(), id); ok && m.Address == address {
		return nil
	}
	facts := g.state(time.Now()).facts
	for _, m := range g.Members() {
		if m.Address != address || m.ID == id || m.ID == g.config.ID || m.ID != before && facts[m.ID].Reachable {
			continue
		}
		if err := g.alter(ctx, step{move, m.ID, m.ID + nowhere}); err != nil {
			return err
		}
	}
	return g.addLearner(ctx, id, address)
}

const nowhere = ".invalid:1" // RFC 2606

// Nowhere reports whether an address is that of a gateway that was superseded:
// it need not be dialled.
func Nowhere(address string) bool { return strings.HasSuffix(address, nowhere) }

// SetAddress changes where peers find this gateway. Kinds as AddLearner. The
// steward does it by itself when Config.Address is another than the site knows.
func (g *Group) SetAddress(ctx context.Context, address string) error {
	done, err := g.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return g.alter(ctx, step{move, g.config.ID, address})
}

// Remove takes a gateway out of the site. A voter's place is taken by a
// learner first; where there is none the removal is refused, for two voters are
// worse than one. The leader does not remove itself: it hands the leadership on.
//
// Kinds as AddLearner. NotFound: there is no such member. Invalid: it was
// refused, and the text says what would help.
func (g *Group) Remove(ctx context.Context, id string) error {
	done, err := g.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return g.carry(ctx, func(s state, all []Member) ([]step, error) { return s.removal(all, id) })
}

// RemoveForced removes a gateway even where no learner takes its place: of
// three voters one remains, the leader. Kinds as Remove.
func (g *Group) RemoveForced(ctx context.Context, id string) error {
	done, err := g.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return g.carry(ctx, func(s state, all []Member) ([]step, error) { return s.forcedRemoval(all, id) })
}

// turn waits until nobody else changes the membership from here, for as long
// as ctx allows: such a change can take as long as a majority does.
func (g *Group) turn(ctx context.Context) (done func(), err error) {
	select {
	case g.changing <- struct{}{}:
		return func() { <-g.changing }, nil
	case <-ctx.Done():
		return nil, shardlog.Errorf(shardlog.Unavailable, "change members", "another change is under way: %w", ctx.Err())
	}
}

// carry takes the steps of a removal, which may be to hand the leadership on.
func (g *Group) carry(ctx context.Context, steps func(s state, all []Member) ([]step, error)) error {
	if !g.Leading() {
		return shardlog.Errorf(shardlog.Unavailable, "remove gateway", "%s leads", orNobody(g.Leader()))
	}
	all, err := steps(g.state(time.Now()), g.Members())
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := g.alter(ctx, s); err != nil {
			return err
		}
		if s.do == handOver {
			return shardlog.Errorf(shardlog.Unavailable, "remove gateway", "the leader is to be removed and hands the leadership to %s: ask again", s.id)
		}
	}
	return nil
}

func orNobody(leader string) string {
	if leader == "" {
		return "nobody"
	}
	return leader
}

// alter takes one step and returns when it is agreed on, in the caller's turn.
func (g *Group) alter(ctx context.Context, s step) error {
	r := g.running()
	if r == nil || !g.Leading() {
		return shardlog.Errorf(shardlog.Unavailable, "change members", "%s leads", orNobody(g.Leader()))
	}
	wait := changeWait
	if until, ok := ctx.Deadline(); ok {
		wait = min(wait, max(time.Until(until), time.Millisecond))
	}
	err := s.ask(r, wait).Error()
	g.config.Log.Info("change members", "step", s.String(), "err", err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrEnqueueTimeout), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return shardlog.Errorf(shardlog.Unavailable, "change members", "%s: %w", s, err)
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown):
		return shardlog.Errorf(shardlog.Unknown, "change members", "%s: %w", s, err)
	}
	return shardlog.Errorf(shardlog.Invalid, "change members", "%s: %w", s, err)
}

// ask hands a step to the engine.
func (s step) ask(r *raft.Raft, wait time.Duration) raft.Future {
	id, address := raft.ServerID(s.id), raft.ServerAddress(s.address)
	switch s.do {
	case promote:
		return r.AddVoter(id, address, 0, wait)
	case demote:
		return r.DemoteVoter(id, 0, wait)
	case remove:
		return r.RemoveServer(id, 0, wait)
	case handOver:
		return r.LeadershipTransferToServer(id, address)
	}
	return r.AddNonvoter(id, address, 0, wait) // of a voter it changes the address alone
}
