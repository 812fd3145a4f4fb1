package raftgroup

import (
	"math"
	"time"

	"github.com/hashicorp/raft"
)

// rpcTimeout bounds one call to a peer.
const rpcTimeout = 10 * time.Second

// engine is what Stats asks the engine.
type engine interface {
	CurrentTerm() uint64
	CommitIndex() uint64
	GetConfiguration() raft.ConfigurationFuture
}

func (g *Group) setEngine(e engine) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.engine = e
}

// start makes the engine, and founds the site if nothing is here yet.
func (g *Group) start(notify chan<- bool) (*raft.Raft, raft.Transport, error) {
	c := g.engineConfig(notify)
	stable := stableStore{g.config.Locals, g.fail}
	snapshots := snapshotStore{g.config.Snapshots, g.fsm.reach, g.fail}
	transport := g.transport(c)
	r, err := func() (*raft.Raft, error) {
		known, err := raft.HasExistingState(g.logs, stable, snapshots)
		if err != nil {
			return nil, err
		}
		if !known {
			if err := raft.BootstrapCluster(c, g.logs, stable, snapshots, transport, g.founders()); err != nil {
				return nil, err
			}
		}
		return raft.NewRaft(c, g.fsm, g.logs, stable, snapshots, transport)
	}()
	if err != nil {
		closeTransport(transport)
		return nil, nil, err
	}
	return r, transport, nil
}

func (g *Group) engineConfig(notify chan<- bool) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(g.config.ID)
	c.HeartbeatTimeout = g.config.Heartbeat
	c.ElectionTimeout = g.config.Heartbeat
	c.LeaderLeaseTimeout = g.config.Heartbeat / 2
	c.MaxAppendEntries = maxAppendEntries
	c.BatchApplyCh = false
	c.ShutdownOnRemove = false
	// Snapshots are taken by weight, see snapshots.
	c.SnapshotInterval = 365 * 24 * time.Hour
	c.SnapshotThreshold = math.MaxUint64
	c.TrailingLogs = math.MaxUint64
	c.NoSnapshotRestoreOnStart = false
	c.NoLegacyTelemetry = true
	c.NotifyCh = notify
	c.Logger = newEngineLog(g.config.Log, len(g.config.Servers) == 1)
	return c
}

func (g *Group) founders() raft.Configuration {
	var c raft.Configuration
	for _, s := range g.config.Servers {
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address)})
	}
	return c
}

func (g *Group) transport(c *raft.Config) raft.Transport {
	if g.config.Link == nil {
		_, t := raft.NewInmemTransport(raft.ServerAddress(g.config.address()))
		return t
	}
	t := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Logger: c.Logger, Stream: newStreamLayer(g.config.Link, g.config.address()),
		MaxPool: 3, MaxRPCsInFlight: 2, Timeout: rpcTimeout, MsgpackUseNewTimeFormat: true,
	})
	t.TimeoutScale = 1 // a snapshot is a few bytes, but the work behind it is not
	return t
}

func closeTransport(t raft.Transport) {
	if c, ok := t.(raft.WithClose); ok {
		_ = c.Close()
	}
}

// hurry makes a lone voter stand for election at once: to the engine, a
// shorter heartbeat is a reason to look at its timer again.
func hurry(r *raft.Raft) {
	c := r.ReloadableConfig()
	c.HeartbeatTimeout -= time.Millisecond
	_ = r.ReloadConfig(c)
}

func voters(r engine) int {
	future := r.GetConfiguration()
	if future.Error() != nil {
		return 0
	}
	n := 0
	for _, s := range future.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			n++
		}
	}
	return n
}
