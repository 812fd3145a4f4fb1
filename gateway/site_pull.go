package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/store"
	"headgate/sync/peer"
	"headgate/sync/raftgroup"
)

// pullRate is how many bytes a second a gateway takes from its peers to catch
// up: the site goes on working meanwhile.
const pullRate = 32 << 20

// reach pulls from whoever has it what this store lacks up to an index.
func (g *Gateway) reach(ctx context.Context, applied uint64) error {
	var last error = shardlog.Errorf(shardlog.Unavailable, "catch up", "no gateway that has entry %d can be reached", applied)
	for _, p := range g.givers(applied) {
		if last = g.store.Pull(ctx, source{g.site.links, p.ID}, pullRate); last == nil && g.store.Applied() >= applied {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return last
}

// givers are the peers that can be reached and have applied an index, those
// that do not lead first.
func (g *Gateway) givers(applied uint64) []peer.Peer {
	var rest, leader []peer.Peer
	for _, p := range g.site.links.Peers() {
		switch {
		case !p.Reachable || p.Hello.Applied < applied || applied > 0 && p.Hello.Holes:
		case p.Hello.Leading:
			leader = append(leader, p)
		default:
			rest = append(rest, p)
		}
	}
	return append(rest, leader...)
}

// incomplete reports whether the store lacks blocks that it should have.
func (g *Gateway) incomplete() bool {
	n, err := g.store.Holes()
	return n > 0 || err != nil
}

const (
	repairEvery = 5 * time.Second // while something is broken
	scrubRate   = 256 << 10       // bytes a second
)

// repair fetches blocks that cannot be read, or are missing, from peers.
func (g *Gateway) repair(ctx context.Context) error {
	for {
		if g.incomplete() {
			_ = g.mend(ctx) // it says itself what it cannot do, and is asked again
		}
		if pause(ctx, repairEvery) != nil {
			return nil
		}
	}
}

// mend asks the peers for what this store lacks. It returns nil when it got
// some of it. Kind Unavailable: nobody who would know could be asked; NotFound:
// nobody has it.
func (g *Gateway) mend(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, repairEvery)
	defer cancel()
	select {
	case g.mending <- struct{}{}:
		defer func() { <-g.mending }()
	case <-ctx.Done():
		return shardlog.Errorf(shardlog.Unavailable, "repair blocks", "others are being repaired: %w", context.Cause(ctx))
	}
	asked := len(g.group.Members()) == 1
	for _, p := range g.givers(0) {
		n, err := g.store.RepairFrom(ctx, source{g.site.links, p.ID}, pullRate)
		switch {
		case errors.Is(err, store.ErrRotten) && !p.Hello.Holes:
			g.giveUp(err)
		case n > 0:
			g.log.Info("blocks were fetched from a peer", "gateway", p.ID, "blocks", n)
			return nil
		case err != nil:
			g.log.Warn("blocks are not repaired", "gateway", p.ID, "error", err.Error())
		default: // it does not have them, although it has everything else
			asked = asked || !p.Hello.Holes && p.Hello.Applied >= g.store.Applied()
		}
	}
	if !asked {
		return shardlog.Errorf(shardlog.Unavailable, "repair blocks", "no gateway that should have them can be reached")
	}
	return shardlog.Errorf(shardlog.NotFound, "repair blocks", "no gateway has them")
}

// giveUp ends the process; the next start begins with an empty log that is
// fetched from the peers, of whom one that lacks nothing has just been reached.
// A gateway whose vote the others need goes on as it is: they could elect
// nobody, so nobody would let it in again.
func (g *Gateway) giveUp(why error) {
	if !spare(g.group.Members(), g.name(), g.facts()) {
		g.log.Error("the log is damaged, and the others cannot do without this gateway", "error", why.Error())
		return
	}
	g.beginAnew(why)
}

// unread gives the log up when state cannot be read that a command depends on:
// this gateway would part from the others in silence. It cannot ask how they
// are, in the middle of a command.
func (g *Gateway) unread(why error) {
	members, well := g.group.Members(), map[string]raftgroup.Fact{}
	for _, m := range members {
		well[m.ID] = raftgroup.Fact{Reachable: true}
	}
	if !spare(members, g.name(), well) {
		g.log.Error("state cannot be read, and no others have it", "error", why.Error())
		return
	}
	g.beginAnew(why)
}

func (g *Gateway) beginAnew(why error) {
	if err := g.store.GiveUp(why.Error()); err != nil {
		g.log.Error("the damaged log is not given up", "error", err.Error())
		return
	}
	g.die(fmt.Errorf("%w: %w", errRotten, why))
}

// spare reports whether a gateway may lose its log: the others that can be
// reached and lack nothing are a majority without it.
func spare(members []raftgroup.Member, id string, facts map[string]raftgroup.Fact) bool {
	voters, whole := 0, 0
	for _, m := range members {
		if !m.Voter {
			continue
		}
		voters++
		if f := facts[m.ID]; m.ID != id && f.Reachable && !f.Holes {
			whole++
		}
	}
	return whole > voters/2
}

var errRotten = errors.New("the log is damaged beyond repair: it is set aside at the next start, and fetched from the peers")
