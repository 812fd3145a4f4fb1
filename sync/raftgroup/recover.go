package raftgroup

import (
	"fmt"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// Lost says what a recovery went by, for a human who has to judge what may be missing.
type Lost struct {
	LastIndex, LastTerm uint64 // of the log; what others had beyond it is lost
	Applied             uint64 // before; what lies between was committed by the recovery
	// Pulling is up to which index this gateway was being brought by a pull
	// when it ended: it lacks what lies between Applied and here. Zero: none was.
	Pulling uint64
	Members []Member // of the site before
}

// Recover makes this gateway the only voter of its own log, when the majority
// of the voters is gone for good. Nothing may run on the store meanwhile.
// Every entry in the journal is applied, whether it was agreed on or not; it
// takes effect at the next Run, to which new members can be added. Old ones
// that come back must not be let in but as new, empty gateways.
//
// Config's Link, Join, Servers, Reach and Facts are ignored. It may be called
// again after a crash. Kind Invalid: there is nothing to recover.
func Recover(c Config) (Lost, error) {
	c.Link, c.Join, c.Servers, c.Reach, c.Facts = nil, false, nil, nil, nil
	g, err := Open(c)
	if err != nil {
		return Lost{}, err
	}
	lost, err := g.lost()
	if err != nil {
		return Lost{}, fmt.Errorf("recover: %w", err)
	}
	if lost.LastIndex == 0 {
		return lost, shardlog.Errorf(shardlog.Invalid, "recover", "there is no log")
	}
	if err := g.recover(); err != nil {
		return lost, fmt.Errorf("recover: %w", err)
	}
	return lost, nil
}

func (g *Group) recover() error {
	snapshots := g.snapshotStore()
	if err := g.align(snapshots); err != nil {
		return err
	}
	engine := g.engineConfig(nil)
	stable := stableStore{g.config.Locals, g.fail}
	transport := g.transport(engine)
	defer closeTransport(transport)
	if err := raft.RecoverCluster(engine, g.fsm, g.logs, stable, snapshots, transport, g.founders()); err != nil {
		return err
	}
	if g.broken() {
		return g.failure
	}
	if _, marked, err := g.puller.marked(); err != nil || !marked {
		return err
	}
	return g.puller.unmark()
}

// lost looks at the log before anything is changed.
func (g *Group) lost() (Lost, error) {
	lost := Lost{Applied: g.config.Machine.Applied()}
	pulled, _, err := g.puller.marked()
	if err != nil {
		return lost, err
	}
	lost.Pulling = pulled.Applied
	meta, _, ok, err := g.snapshotStore().load()
	if err != nil {
		return lost, err
	}
	if ok {
		lost.LastIndex, lost.LastTerm, lost.Members = meta.Index, meta.Term, membersIn(meta.Configuration)
	}
	for i := max(g.config.Journal.First(), lost.LastIndex+1); i <= g.config.Journal.Last() && i > 0; i++ {
		e, err := g.config.Journal.Entry(i)
		if err != nil {
			return lost, err
		}
		lost.LastIndex, lost.LastTerm = e.Index, e.Term
		if e.Type == uint8(raft.LogConfiguration) {
			c, err := decodeConfiguration(e.Data)
			if err != nil {
				return lost, err
			}
			lost.Members = membersIn(c)
		}
	}
	return lost, nil
}
