package raftgroup_test

import (
	"bytes"
	"errors"
	"sync"

	"headgate/shardlog"
)

// memory is a small store: journal, machine, locals and manifest of one
// gateway. It outlives the group, so a second group over it is a restart.
type memory struct {
	mu       sync.Mutex
	first    uint64
	entries  []shardlog.JournalEntry
	locals   map[string][]byte
	manifest *shardlog.Manifest
	applied  uint64
	keys     []string // of all mutations, in the order applied
	replayed int      // entries that Apply skipped
	dropped  []uint64 // what DropTail was asked for
	broken   bool     // appends fail
	gate     chan struct{}
}

func newMemory() *memory { return &memory{locals: map[string][]byte{}} }

func (m *memory) First() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) == 0 {
		return 0
	}
	return m.first
}

func (m *memory) Last() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last()
}

func (m *memory) last() uint64 {
	if len(m.entries) == 0 {
		return 0
	}
	return m.first + uint64(len(m.entries)) - 1
}

func (m *memory) Entry(index uint64) (shardlog.JournalEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) == 0 || index < m.first || index > m.last() {
		return shardlog.JournalEntry{}, shardlog.Errorf(shardlog.NotFound, "read entry", "%d", index)
	}
	return m.entries[index-m.first], nil
}

func (m *memory) Append(entries []shardlog.JournalEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errors.New("no space left")
	}
	for _, e := range entries {
		if len(m.entries) == 0 {
			m.first = e.Index
		} else if e.Index != m.last()+1 {
			return shardlog.Errorf(shardlog.Invalid, "append", "%d behind %d", e.Index, m.last())
		}
		e.Data = bytes.Clone(e.Data)
		m.entries = append(m.entries, e)
	}
	return nil
}

func (m *memory) DropHead(through uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(through+1-m.first, uint64(len(m.entries)))
	m.entries, m.first = m.entries[n:], m.first+n
	return nil
}

func (m *memory) DropTail(from uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped = append(m.dropped, from)
	m.entries = m.entries[:from-m.first]
	return nil
}

func (m *memory) SetLocal(key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.locals[key] = bytes.Clone(value)
	return nil
}

func (m *memory) Local(key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.locals[key]
	if !ok {
		return nil, shardlog.Errorf(shardlog.NotFound, "read local", "%s", key)
	}
	return value, nil
}

func (m *memory) SaveManifest(s shardlog.Manifest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.manifest = &s
	return nil
}

func (m *memory) LoadManifest() (shardlog.Manifest, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.manifest == nil {
		return shardlog.Manifest{}, false, nil
	}
	return *m.manifest, true, nil
}

func (m *memory) Apply(index uint64, batch []shardlog.Command) ([]shardlog.Outcome, error) {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		<-gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	outcomes := make([]shardlog.Outcome, len(batch))
	if index <= m.applied {
		m.replayed++
		return outcomes, nil
	}
	m.applied = index
	for i, c := range batch {
		outcomes[i].Index = index
		for _, u := range c.(shardlog.Mutate).Mutations {
			m.keys = append(m.keys, u.Key)
		}
	}
	return outcomes, nil
}

func (m *memory) Applied() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.applied
}

func (m *memory) list() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.keys...)
}

func (m *memory) cuts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.dropped)
}

func (m *memory) again() ground { return m }
