package raftgroup

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// proposal is one command on its way. Its maker waits on done, which takes
// one answer.
type proposal struct {
	command shardlog.Command
	weight  int
	done    chan answer
}

type answer struct {
	outcome shardlog.Outcome
	err     error
}

// Propose makes a command durable on a majority and applied here. Commands
// that wait at the same time travel in one entry; their order is that in
// which they were handed over. The command's bytes belong to the group from
// then on.
//
// While no leader is known it waits, up to ctx. Kind Unavailable: nothing was
// done, because ctx ended before the command was taken, or another gateway
// leads, or the group has ended. Kind Unknown: it may yet be applied, or have been.
func (g *Group) Propose(ctx context.Context, c shardlog.Command) (shardlog.Outcome, error) {
	p := &proposal{command: c, weight: weigh(c), done: make(chan answer, 1)}
	if err := g.handOver(ctx, p); err != nil {
		return shardlog.Outcome{}, err
	}
	select {
	case a := <-p.done:
		return a.outcome, a.err
	case <-ctx.Done():
		return shardlog.Outcome{}, shardlog.Errorf(shardlog.Unknown, "propose", "%w", context.Cause(ctx))
	}
}

// handOver waits until the proposal is taken.
func (g *Group) handOver(ctx context.Context, p *proposal) error {
	for {
		if err := ctx.Err(); err != nil {
			return shardlog.Errorf(shardlog.Unavailable, "propose", "%w", context.Cause(ctx))
		}
		v := g.look()
		switch {
		case v.stopped || g.broken():
			return g.unavailable("propose")
		case v.reign == nil && v.leader != "" && v.leader != g.config.ID:
			return shardlog.Errorf(shardlog.Unavailable, "propose", "%s leads", v.leader)
		}
		select {
		case g.waiting <- p:
			return nil
		case <-v.changed:
		case <-g.failed:
		case <-ctx.Done():
		}
	}
}

// weigh is about the size of a command on the wire.
func weigh(c shardlog.Command) int {
	const head = 64
	size := head
	switch c := c.(type) {
	case shardlog.Append:
		for _, b := range c.Blocks {
			size += len(b.Bytes) + 16
		}
		for _, u := range c.Bundles {
			size += head + len(u.Places)
		}
		size += weighMutations(c.Mutations)
	case shardlog.Mutate:
		size += weighMutations(c.Mutations)
	}
	return size
}

func weighMutations(all []shardlog.Mutation) int {
	size := 0
	for _, m := range all {
		size += 16 + len(m.Space) + len(m.Key) + len(m.Value)
	}
	return size
}

// serve commits what waits, one entry in flight, until ctx ends. What it has
// taken it answers.
func (g *Group) serve(ctx context.Context, r *raft.Raft) {
	var batch []*proposal
	var held *proposal // taken, but too large for the batch before
	for {
		batch, held = g.gather(ctx, batch[:0], held)
		if len(batch) == 0 {
			return
		}
		g.commit(r, batch)
	}
}

// gather waits for a first proposal and takes all others that wait by then,
// up to what one entry holds. An empty batch is the end.
func (g *Group) gather(ctx context.Context, batch []*proposal, held *proposal) (_ []*proposal, heldOver *proposal) {
	if held == nil {
		select {
		case held = <-g.waiting:
		case <-ctx.Done():
			return nil, nil
		}
	}
	batch = append(batch, held)
	size := held.weight
	// Those whose commands were just answered are about to come again: let
	// them, or every other entry would carry a single command.
	runtime.Gosched()
	for {
		select {
		case p := <-g.waiting:
			if size+p.weight > shardlog.MaxCommandBytes {
				return batch, p
			}
			batch = append(batch, p)
			size += p.weight
		default:
			return batch, nil
		}
	}
}

// commit carries one batch through the engine and answers its proposals.
func (g *Group) commit(r *raft.Raft, batch []*proposal) {
	commands := make([]shardlog.Command, len(batch))
	for i, p := range batch {
		commands[i] = p.command
	}
	g.count(func(c *counters) { c.inFlightSince = time.Now() })
	future := r.Apply(shardlog.EncodeCommands(nil, commands), 0)
	err := future.Error()
	var outcomes []shardlog.Outcome
	if err == nil {
		outcomes, err = outcomesOf(future.Response(), len(batch))
	}
	g.count(func(c *counters) { c.committed(len(batch), err) })
	for i, p := range batch {
		if err != nil {
			p.done <- answer{err: classify(err)}
			continue
		}
		p.done <- answer{outcome: outcomes[i]}
	}
}

func outcomesOf(response any, n int) ([]shardlog.Outcome, error) {
	switch response := response.(type) {
	case []shardlog.Outcome:
		if len(response) != n {
			return nil, shardlog.Errorf(shardlog.Unknown, "propose", "%d outcomes of %d commands", len(response), n)
		}
		return response, nil
	case error:
		return nil, response
	}
	return nil, shardlog.Errorf(shardlog.Unknown, "propose", "applied without an outcome")
}

// classify tells what was certainly not done from what may have been.
func classify(err error) error {
	if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipTransferInProgress) {
		return shardlog.Errorf(shardlog.Unavailable, "propose", "%w", err)
	}
	return shardlog.Errorf(shardlog.Unknown, "propose", "%w", err)
}
