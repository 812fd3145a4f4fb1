package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"headgate/shardlog/store"
)

// latest is the wall clock, or the newest record's time when that is later: a
// board that wakes up in 1970 must not make papers of that year.
func (g *Gateway) latest() time.Time {
	now := g.now()
	if stamp := g.store.Tail().Stamp; stamp.After(now) {
		return stamp
	}
	return now
}

// peersAhead is how far the clocks of synchronised peers are ahead, and of how
// many. Two that disagree say nothing: the mean of a right clock and a wrong one
// would make a right kernel doubt itself.
func (g *Gateway) peersAhead() (ahead time.Duration, n int) {
	ahead, n = g.site.links.Offset()
	if n != 2 {
		return ahead, n
	}
	for _, p := range g.site.links.Peers() {
		if p.Reachable && p.Hello.Synced && (p.Offset-ahead).Abs() > disagree {
			return 0, 0
		}
	}
	return ahead, n
}

// disagree is how far from their mean two clocks no longer agree.
const disagree = 5 * time.Minute

// keepTime has this gateway follow the time that the leader stamps, so that
// it goes on from there should it lead.
func (g *Gateway) keepTime(ctx context.Context) error {
	for pause(ctx, time.Second) == nil {
		g.streams.Clock().Floor(g.store.Tail().Stamp)
		g.streams.Clock().Stamp()
	}
	return nil
}

// A follower that waits less than the disk of a leader may stall would hold
// an election for every stall. One that waits longer leaves the site without a
// leader for longer.
const (
	leastHeartbeat = time.Second
	mostHeartbeat  = 5 * time.Second
	probes         = 32
	probeSize      = 4 << 10
)

// tuneHeartbeat measures the disk once and sets the heartbeat to twice its
// worst stall.
func (g *Gateway) tuneHeartbeat(ctx context.Context) error {
	worst, err := probeDisk(ctx, g.config.Data)
	if err != nil {
		g.log.Warn("the disk is not probed", "error", err)
	} else {
		beat := min(max(2*worst, leastHeartbeat), mostHeartbeat)
		g.group.SetHeartbeat(beat)
		g.log.Info("the disk is probed", "worst sync", worst, "heartbeat", beat)
	}
	<-ctx.Done()
	return nil
}

// probeDisk is the longest of some writes that are synced one by one.
func probeDisk(ctx context.Context, folder string) (worst time.Duration, err error) {
	name := filepath.Join(folder, "probe")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("probe disk: %w", err)
	}
	defer os.Remove(name)
	defer f.Close()
	data := make([]byte, probeSize)
	rand.Read(data) // never fails
	for range probes {
		began := time.Now()
		if _, err := f.WriteAt(data, 0); err != nil {
			return worst, fmt.Errorf("probe disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return worst, fmt.Errorf("probe disk: %w", err)
		}
		worst = max(worst, time.Since(began))
		if pause(ctx, 20*time.Millisecond) != nil {
			break
		}
	}
	return worst, nil
}

// scrub walks over all blocks, slowly, and finds what has rotted before
// somebody needs it; repair then fetches it from a peer.
func (g *Gateway) scrub(ctx context.Context) error {
	for {
		err := g.store.Scrub(ctx, store.Scrubbing{Rate: scrubRate})
		if ctx.Err() != nil {
			return nil
		}
		g.log.Error("blocks are not checked", "error", err)
		if pause(ctx, time.Minute) != nil {
			return nil
		}
	}
}
