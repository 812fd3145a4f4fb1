package raftgroup

import (
	"fmt"
	"math"
	"time"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// rpcTimeout bounds one call to a peer.
const rpcTimeout = 10 * time.Second

func (g *Group) setEngine(r *raft.Raft) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r == nil && g.engine != nil {
		g.members = membersOf(g.engine)
	}
	g.engine = r
	g.logs.lead(r)
}

// start makes the engine, and founds the site if nothing is here yet.
func (g *Group) start(notify chan<- bool) (*raft.Raft, raft.Transport, error) {
	c := g.engineConfig(notify)
	stable := stableStore{g.config.Locals, g.fail}
	snapshots := g.snapshotStore()
	if err := g.align(snapshots); err != nil {
		return nil, nil, err
	}
	if err := g.advance(snapshots); err != nil {
		return nil, nil, fmt.Errorf("cover what is applied: %w", err)
	}
	transport := g.transport(c)
	r, err := func() (*raft.Raft, error) {
		known, err := raft.HasExistingState(g.logs, stable, snapshots)
		if err != nil {
			return nil, err
		}
		if !known && !g.config.Join {
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

func (g *Group) snapshotStore() snapshotStore {
	return snapshotStore{g.config.Snapshots, g.puller.accept, g.logs.covered, g.fail}
}

// align forgets a log that ends before the snapshot: the end that the
// snapshot stands for is not in it, and nothing could be appended.
func (g *Group) align(s snapshotStore) error {
	meta, _, ok, err := s.load()
	if err != nil || !ok {
		return err
	}
	g.logs.covered(meta.Index, meta.Term)
	if last := g.config.Journal.Last(); last > 0 && last < meta.Index {
		return g.logs.dropHead(last)
	}
	return nil
}

// advance has the newest snapshot stand for everything that the machine has
// applied. The engine could not take one before it has a majority, and may
// never get that: to a follower that lacks an entry which is hollow by now it
// has nothing to send but a snapshot.
func (g *Group) advance(s snapshotStore) error {
	applied := g.config.Machine.Applied()
	if g.door == nil || applied == 0 || applied <= g.logs.covers() {
		return nil
	}
	e, err := g.config.Journal.Entry(applied)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return nil // a pull has gone beyond the log
	}
	if err != nil {
		return err
	}
	meta := raft.SnapshotMeta{Index: applied, Term: e.Term}
	if meta.Configuration, meta.ConfigurationIndex, err = g.membersAt(s, applied); err != nil || meta.ConfigurationIndex == 0 {
		return err
	}
	err = s.snapshots.SaveManifest(shardlog.Manifest{Applied: applied, Term: e.Term, Engine: encodeMeta(meta)})
	if err != nil {
		s.fail(err)
		return err
	}
	g.logs.covered(applied, e.Term)
	return nil
}

// membersAt is the configuration as of an entry, and its index; zero when
// neither log nor snapshot knows.
func (g *Group) membersAt(s snapshotStore, index uint64) (c raft.Configuration, at uint64, err error) {
	for i := index; i >= max(g.config.Journal.First(), g.logs.covers()+1); i-- {
		e, err := g.config.Journal.Entry(i)
		if err != nil {
			return c, 0, err
		}
		if raft.LogType(e.Type) == raft.LogConfiguration {
			c, err := decodeConfiguration(e.Data)
			return c, i, err
		}
	}
	meta, _, ok, err := s.load()
	if err != nil || !ok {
		return c, 0, err
	}
	return meta.Configuration, meta.ConfigurationIndex, nil
}

func (g *Group) engineConfig(notify chan<- bool) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(g.config.ID)
	g.mu.Lock()
	heartbeat := g.heartbeat
	g.lease = heartbeat / 2
	g.mu.Unlock()
	c.HeartbeatTimeout = heartbeat
	c.ElectionTimeout = heartbeat
	c.LeaderLeaseTimeout = heartbeat / 2
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
	c.Logger = newEngineLog(g.config.Log, g.config.Link == nil)
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
	layer := newStreamLayer(g.config.Link, g.config.address())
	g.door.open(layer)
	t := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Logger: c.Logger, Stream: layer,
		MaxPool: 3, MaxRPCsInFlight: 1, Timeout: rpcTimeout, // 1: no pipeline, see DESIGN.md
		MsgpackUseNewTimeFormat: true,
	})
	t.TimeoutScale = 1 // a snapshot is a few bytes, but the work behind it is not
	return bounded{t, g.logs}
}

func closeTransport(t raft.Transport) {
	if c, ok := t.(raft.WithClose); ok {
		_ = c.Close()
	}
}
