package shardlogtest

import (
	"bytes"
	"context"
	"iter"
	"sort"
	"strings"

	"headgate/shardlog"
)

type place struct {
	space shardlog.Space
	key   string
}

type value struct {
	bytes   []byte
	version shardlog.Version
}

// Get is part of the contract States.
func (m *Memory) Get(ctx context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error) {
	if err := m.begin(ctx, "get"); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.state[place{space, key}]
	if !ok {
		return nil, 0, shardlog.Errorf(shardlog.NotFound, "get", "%s %q", space, key)
	}
	return copyValue(v.bytes), v.version, nil
}

// List is part of the contract States.
func (m *Memory) List(_ context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		keys, values := m.list(space, prefix)
		for i, key := range keys {
			if !yield(key, values[i]) {
				return
			}
		}
	}
}

func (m *Memory) list(space shardlog.Space, prefix string) (keys []string, values [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.state {
		if p.space == space && strings.HasPrefix(p.key, prefix) {
			keys = append(keys, p.key)
		}
	}
	sort.Strings(keys)
	for _, key := range keys {
		values = append(values, copyValue(m.state[place{space, key}].bytes))
	}
	return keys, values
}

// Mutate is part of the contract States.
func (m *Memory) Mutate(ctx context.Context, mutations ...shardlog.Mutation) error {
	if err := m.begin(ctx, "mutate"); err != nil {
		return err
	}
	mutations = copyMutations(mutations)
	if err := m.mutate(mutations); err != nil {
		return err
	}
	return m.fail("mutate done")
}

func (m *Memory) mutate(mutations []shardlog.Mutation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check("mutate", mutations); err != nil {
		return err
	}
	m.index++
	m.change(mutations)
	return nil
}

// check answers what keeps the mutations from being made: Invalid or Conflict.
func (m *Memory) check(op string, mutations []shardlog.Mutation) error {
	for _, c := range mutations {
		if len(c.Key) > shardlog.MaxStateKey || len(c.Value) > shardlog.MaxStateValue {
			return shardlog.Errorf(shardlog.Invalid, op, "state of %d bytes under a key of %d", len(c.Value), len(c.Key))
		}
	}
	for _, c := range mutations {
		if v := m.state[place{c.Space, c.Key}].version; !c.Expect.Met(v) {
			return shardlog.Errorf(shardlog.Conflict, op, "%s %q is at version %d", c.Space, c.Key, v)
		}
	}
	return nil
}

// change makes the mutations at the present index.
func (m *Memory) change(mutations []shardlog.Mutation) {
	for _, c := range mutations {
		at := place{c.Space, c.Key}
		if c.Value == nil {
			delete(m.state, at)
			continue
		}
		m.state[at] = value{c.Value, shardlog.Version(m.index)}
	}
}

func copyMutations(mutations []shardlog.Mutation) []shardlog.Mutation {
	out := make([]shardlog.Mutation, len(mutations))
	for i, c := range mutations {
		c.Value = bytes.Clone(c.Value)
		out[i] = c
	}
	return out
}

func copyValue(b []byte) []byte { return append([]byte{}, b...) }
