package raftgroup

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// entryWeight is what replaying an entry costs besides its bytes.
const entryWeight = 512

// fsm lends the Machine to the engine, and weighs what is applied: the engine
// counts entries, but an entry is 100 bytes or a MiB.
type fsm struct {
	machine shardlog.Machine
	every   uint64 // weight between snapshots
	fail    func(error)
	broken  func() bool
	ripe    chan struct{} // of capacity 1: a snapshot is due
	logs    *logStore     // has what was left out of an entry

	mu     sync.Mutex
	weight uint64 // guarded by mu: applied or replayed since the start
	saved  uint64 // guarded by mu: weight at the newest snapshot
	marks  []mark // guarded by mu: oldest first
}

// mark remembers how much was applied up to an index.
type mark struct{ index, weight uint64 }

// Apply answers []shardlog.Outcome, or an error when the group is broken.
func (f *fsm) Apply(log *raft.Log) any {
	if f.broken() {
		return shardlog.Errorf(shardlog.Unknown, "apply", "the group has failed")
	}
	log, err := f.logs.full(log)
	if err != nil {
		return f.failed(fmt.Errorf("apply: %w", err))
	}
	if hollow(log) {
		return f.applyHollow(log)
	}
	commands, err := shardlog.DecodeCommands(log.Data)
	if err != nil {
		return f.failed(fmt.Errorf("apply entry %d: %w", log.Index, err))
	}
	outcomes, err := f.machine.Apply(log.Index, commands)
	if err != nil {
		return f.failed(fmt.Errorf("apply entry %d: %w", log.Index, err))
	}
	f.weigh(log)
	return outcomes
}

// applyHollow passes over an entry whose blocks were given up after it had
// been applied. Anywhere else it would be a loss.
func (f *fsm) applyHollow(log *raft.Log) any {
	if at := f.machine.Applied(); log.Index > at {
		return f.failed(shardlog.Errorf(shardlog.Corrupt, "apply", "entry %d is hollow, applied up to %d", log.Index, at))
	}
	f.weigh(log)
	return []shardlog.Outcome(nil)
}

// StoreConfiguration makes the engine count its configurations as applied.
func (f *fsm) StoreConfiguration(uint64, raft.Configuration) {}

func (f *fsm) failed(err error) error {
	f.fail(err)
	return err
}

func (f *fsm) weigh(log *raft.Log) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.weight += uint64(len(log.Data)) + entryWeight
	if n := len(f.marks); n == 0 || f.weight-f.marks[n-1].weight >= f.every/16 {
		f.marks = append(f.marks, mark{log.Index, f.weight})
	}
	for len(f.marks) > 1 && f.weight-f.marks[1].weight >= f.every {
		f.marks = f.marks[1:]
	}
	if f.weight-f.saved >= f.every {
		select {
		case f.ripe <- struct{}{}:
		default:
		}
	}
}

// trail is from which index on the log is kept behind a snapshot: the last
// SnapshotBytes, for peers that were away shortly. Zero: keep all.
func (f *fsm) trail() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.marks) == 0 || f.weight-f.marks[0].weight < f.every {
		return 0
	}
	return f.marks[0].index
}

// dirty reports whether a restart would replay anything.
func (f *fsm) dirty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.weight > f.saved
}

// Snapshot copies no data: the store holds it already.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.broken() {
		return nil, shardlog.Errorf(shardlog.Unavailable, "take snapshot", "the group has failed")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return &persisted{fsm: f, applied: f.machine.Applied(), weight: f.weight}, nil
}

// Restore checks that the machine is at the manifest or beyond it: whoever
// saved the manifest has seen to that, and settle does before a start.
func (f *fsm) Restore(snapshot io.ReadCloser) error {
	data, err := io.ReadAll(io.LimitReader(snapshot, maxManifest))
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	applied, err := parseContent(data)
	if err != nil {
		return err
	}
	if at := f.machine.Applied(); at < applied {
		return shardlog.Errorf(shardlog.Unavailable, "restore", "applied up to %d, the snapshot wants %d", at, applied)
	}
	return nil
}

// persisted is a snapshot in the making.
type persisted struct {
	fsm     *fsm
	applied uint64
	weight  uint64
}

// Persist writes what the snapshot says: the index applied. The sink makes it durable.
func (p *persisted) Persist(to raft.SnapshotSink) error {
	to.(*sink).own = true
	if _, err := to.Write(content(p.applied)); err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	p.fsm.mu.Lock()
	defer p.fsm.mu.Unlock()
	p.fsm.saved = max(p.fsm.saved, p.weight)
	return nil
}

// Release has nothing to release.
func (p *persisted) Release() {}

// content is what a snapshot streams to a peer: the index applied, 8 bytes.
func content(applied uint64) []byte { return binary.BigEndian.AppendUint64(nil, applied) }

func parseContent(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, shardlog.Errorf(shardlog.Corrupt, "read snapshot", "%d bytes", len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}
