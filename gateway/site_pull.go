package gateway

import (
	"context"
	"errors"
	"time"

	"headgate/shardlog"
	"headgate/sync/peer"
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
// some of it.
func (g *Gateway) mend(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, repairEvery)
	defer cancel()
	var last error = shardlog.Errorf(shardlog.Unavailable, "repair blocks", "no gateway that has them can be reached")
	for _, p := range g.givers(0) {
		n, err := g.store.RepairFrom(ctx, source{g.site.links, p.ID}, pullRate)
		if n > 0 {
			g.log.Info("blocks were fetched from a peer", "gateway", p.ID, "blocks", n)
			return nil
		}
		if last = err; err != nil && ctx.Err() == nil && shardlog.KindOf(err) != shardlog.InUse {
			g.log.Warn("blocks are not repaired", "gateway", p.ID, "error", err)
		}
	}
	return errors.Join(errNothing, last)
}

var errNothing = errors.New("no block came back")
