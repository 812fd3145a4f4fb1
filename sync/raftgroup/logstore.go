package raftgroup

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// The entries that followers ask for are nearly always the newest: a few are
// kept, the newest however large, so that replication does not read the disk.
const (
	recentEntries = 16
	recentBytes   = 4 << 20
)

// logStore lends a Journal to the engine. A write that fails ends the group.
type logStore struct {
	journal Journal
	machine shardlog.Machine
	fail    func(error)
	peers   bool            // somebody may ask for the newest entries
	ripe    chan<- struct{} // asks for a snapshot

	engine   atomic.Pointer[raft.Raft] // to ask whether it leads; nil while none runs
	wanted   atomic.Uint64             // a hollow entry that is needed and that no snapshot covers
	snapshot atomic.Pointer[raft.Log]  // stands for the newest snapshot's last entry, hollow; nil: there is none

	cut   atomic.Bool // the tail has been cut off, and nothing stored since
	renew func()      // ends the engine, and begins another on the log as it is

	writing chan struct{} // holds one while something is appended, which takes as long as the disk does
	pulling bool          // guarded by writing: nothing is appended

	mu     sync.Mutex
	recent []*raft.Log // guarded by mu, contiguous, newest last
	held   int         // guarded by mu, bytes of their data
}

// IsMonotonic tells the engine that the journal takes no holes.
func (l *logStore) IsMonotonic() bool { return true }

func (l *logStore) FirstIndex() (uint64, error) { return l.journal.First(), nil }

func (l *logStore) LastIndex() (uint64, error) { return l.journal.Last(), nil }

func (l *logStore) GetLog(index uint64, out *raft.Log) error {
	if l.remembered(index, out) {
		return nil
	}
	e, err := l.journal.Entry(index)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return l.edge(index, out)
	}
	if err != nil {
		return fmt.Errorf("read journal entry %d: %w", index, err)
	}
	if l.missing(e) {
		return raft.ErrLogNotFound
	}
	*out = raft.Log{Index: e.Index, Term: e.Term, Type: raft.LogType(e.Type), Data: e.Data, Extensions: e.Extensions, AppendedAt: e.At}
	if len(e.Data) > largeEntry {
		*out = lightened(*out)
	}
	return nil
}

// hollow marks an entry whose blocks were given up after it had been applied:
// commands are never empty.
func hollow(log *raft.Log) bool { return log.Type == raft.LogCommand && len(log.Data) == 0 }

// missing reports whether an entry is to be taken for lost, so that a follower
// gets a snapshot instead. A leader without a snapshot behind it asks for one,
// and until then hands out a hollow entry, which followers refuse.
func (l *logStore) missing(e shardlog.JournalEntry) bool {
	if !e.Commands || len(e.Data) > 0 {
		return false
	}
	if !l.leads() {
		return false
	}
	if s := l.snapshot.Load(); s != nil && e.Index <= s.Index {
		return true
	}
	l.wanted.Store(e.Index)
	select {
	case l.ripe <- struct{}{}:
	default:
	}
	return false
}

// edge lets a follower compare what it is sent with its snapshot's last entry,
// which the log may have lost. Without it, it would be sent an older snapshot.
func (l *logStore) edge(index uint64, out *raft.Log) error {
	s := l.snapshot.Load()
	if s == nil || s.Index != index || l.leads() {
		return raft.ErrLogNotFound
	}
	*out = *s
	return nil
}

func (l *logStore) lead(r *raft.Raft) { l.engine.Store(r) }

func (l *logStore) leads() bool {
	r := l.engine.Load()
	return r != nil && r.State() == raft.Leader
}

// covered notes the place of the newest snapshot.
func (l *logStore) covered(index, term uint64) {
	l.snapshot.Store(&raft.Log{Index: index, Term: term, Type: raft.LogCommand})
}

// covers is the engine's index of the newest snapshot, zero when there is none.
func (l *logStore) covers() uint64 {
	if s := l.snapshot.Load(); s != nil {
		return s.Index
	}
	return 0
}

// pull keeps entries out, or lets them in again: what is pulled must not be
// appended as well, and takes the place of the newest entries.
func (l *logStore) pull(on bool) {
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	l.pulling = on
	l.forget()
}

func (l *logStore) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

func (l *logStore) StoreLogs(logs []*raft.Log) error {
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	if l.pulling {
		return l.refuse("pulling from a peer")
	}
	entries := make([]shardlog.JournalEntry, len(logs))
	for i, g := range logs {
		if hollow(g) || light(g) {
			return l.refuse("entry %d is hollow", g.Index)
		}
		entries[i] = shardlog.JournalEntry{
			Index: g.Index, Term: g.Term, Type: uint8(g.Type), Commands: g.Type == raft.LogCommand,
			At: g.AppendedAt, Data: g.Data, Extensions: g.Extensions,
		}
	}
	if err := l.journal.Append(entries); err != nil {
		return l.failed(fmt.Errorf("append to journal: %w", err))
	}
	l.cut.Store(false)
	if l.peers {
		l.remember(logs)
	}
	return nil
}

// refuse does not take entries. The engine counts on entries being stored
// once it has had the tail cut off that they were in conflict with: it goes on
// believing in the tail. Another engine sees the log as it is.
func (l *logStore) refuse(format string, args ...any) error {
	if l.cut.Load() {
		l.renew()
	}
	return shardlog.Errorf(shardlog.Unavailable, "append to journal", format, args...)
}

// DeleteRange serves two masters, and only the place of the range tells them
// apart: a compaction forgets the head, which has been applied; a conflict
// removes the tail, which has not. What has been applied is never removed.
func (l *logStore) DeleteRange(low, high uint64) error {
	l.forget()
	first, last, applied := l.journal.First(), l.journal.Last(), l.machine.Applied()
	if first == 0 || high < first || low > last {
		return nil
	}
	if low <= first && high <= applied {
		return l.dropHead(high)
	}
	if high < last {
		return l.dropInside(low, high, first)
	}
	if low > first && low <= applied {
		return l.failed(shardlog.Errorf(shardlog.Corrupt, "cut journal", "from %d, but %d is applied", low, applied))
	}
	l.cut.Store(true)
	if err := l.journal.DropTail(max(low, applied+1)); err != nil {
		return l.failed(fmt.Errorf("cut tail of journal: %w", err))
	}
	if low <= applied {
		return l.dropHead(applied)
	}
	return nil
}

// dropInside is a range that ends before the log does: a compaction, whose
// last entries may be the engine's own, which a machine does not count.
func (l *logStore) dropInside(low, high, first uint64) error {
	if low > first {
		return l.failed(shardlog.Errorf(shardlog.Corrupt, "cut journal", "%d to %d would leave a hole", low, high))
	}
	return l.dropHead(high)
}

func (l *logStore) dropHead(through uint64) error {
	if err := l.journal.DropHead(through); err != nil {
		return l.failed(fmt.Errorf("drop head of journal: %w", err))
	}
	return nil
}

func (l *logStore) failed(err error) error {
	l.fail(err)
	return err
}

func (l *logStore) remembered(index uint64, out *raft.Log) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) == 0 || index < l.recent[0].Index || index > l.recent[len(l.recent)-1].Index {
		return false
	}
	*out = *l.recent[index-l.recent[0].Index]
	return true
}

func (l *logStore) remember(logs []*raft.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range logs {
		if n := len(l.recent); n > 0 && l.recent[n-1].Index+1 != log.Index {
			l.recent, l.held = nil, 0
		}
		l.recent = append(l.recent, log)
		l.held += len(log.Data)
	}
	drop := 0
	for drop < len(l.recent)-1 && (len(l.recent)-drop > recentEntries || l.held > recentBytes) {
		l.held -= len(l.recent[drop].Data)
		drop++
	}
	l.recent = append(l.recent[:0:0], l.recent[drop:]...)
}

func (l *logStore) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent, l.held = nil, 0
}

// memory is the bytes of the entries that are kept.
func (l *logStore) memory() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}
