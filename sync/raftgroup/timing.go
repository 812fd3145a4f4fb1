package raftgroup

import (
	"time"

	"github.com/hashicorp/raft"
)

// Bounds of the heartbeat of a site of several.
const (
	leastHeartbeat = 500 * time.Millisecond
	mostHeartbeat  = 5 * time.Second
)

// SetHeartbeat changes Config.Heartbeat while the group runs, within 0.5 and 5
// seconds; without a link it does nothing. The leader's lease stays what it was at
// the start, and the heartbeat is not shorter than it until the next.
func (g *Group) SetHeartbeat(d time.Duration) error {
	if g.config.Link == nil {
		return nil
	}
	d = min(max(d, leastHeartbeat), mostHeartbeat)
	g.mu.Lock()
	r, lease := g.engine, g.lease
	g.heartbeat = d
	g.mu.Unlock()
	if r == nil {
		return nil
	}
	return g.reload(r, func(c *raft.ReloadableConfig) {
		d = max(d, lease)
		c.HeartbeatTimeout, c.ElectionTimeout = d, d
	})
}

func (g *Group) beat() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.heartbeat
}

// reload changes settings of an engine that runs.
func (g *Group) reload(r *raft.Raft, edit func(c *raft.ReloadableConfig)) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	c := r.ReloadableConfig()
	edit(&c)
	return r.ReloadConfig(c)
}

// lone reports whether this gateway decides alone.
func (g *Group) lone(r *raft.Raft) bool {
	all := membersOf(r)
	for _, m := range all {
		if m.Voter && m.ID != g.config.ID {
			return false
		}
	}
	return len(all) > 0
}

// hurry makes a lone voter stand for election at once: to the engine, a
// shorter heartbeat is a reason to look at its timer again.
func (g *Group) hurry(r *raft.Raft) {
	_ = g.reload(r, func(c *raft.ReloadableConfig) { c.HeartbeatTimeout -= time.Millisecond })
}
