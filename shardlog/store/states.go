package store

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// cellValue is version, then value.
func cellValue(c cell) []byte {
	return append(binary.AppendUvarint(nil, uint64(c.version)), c.value...)
}

func parseCell(b []byte) (cell, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return cell{}, shardlog.Errorf(shardlog.Corrupt, "read state", "no version")
	}
	return cell{value: b[n:], version: shardlog.Version(v)}, nil
}

func cellKey(space shardlog.Space, key string) string { return string(space) + "\x00" + key }

// Get reads a value of small state. The bytes are the caller's. Kind NotFound.
func (s *Store) Get(_ context.Context, space shardlog.Space, key string) ([]byte, shardlog.Version, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, err := s.cell(space, key)
	if err != nil {
		return nil, 0, err
	}
	if c.value == nil {
		return nil, 0, shardlog.Errorf(shardlog.NotFound, "get state", "%s %q", space, key)
	}
	return slices.Clone(c.value), c.version, nil
}

// cell finds a cell; its value is nil when there is none. The caller holds mu.
func (s *Store) cell(space shardlog.Space, key string) (cell, error) {
	id := cellKey(space, key)
	if c, ok := s.state.cells[id]; ok {
		return c, nil
	}
	if c, ok := s.seen.find(id); ok {
		return c, nil
	}
	value, closer, err := s.db.Get(spaceKey(space, key))
	if errors.Is(err, pebble.ErrNotFound) {
		s.seen.keep(id, cell{})
		return cell{}, nil
	}
	if err != nil {
		return cell{}, shardlog.Errorf(shardlog.Internal, "get state", "%s %q: %w", space, key, err)
	}
	defer closer.Close()
	c, err := parseCell(value)
	c.value = append([]byte{}, c.value...)
	if err == nil {
		s.seen.keep(id, c)
	}
	return c, err
}

// List yields the keys of a space that begin with prefix, in order, each with
// its value. It reads the moment at which it begins.
func (s *Store) List(ctx context.Context, space shardlog.Space, prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		s.mu.RLock()
		snapshot := s.db.NewSnapshot()
		fresh := s.fresh(space, prefix)
		s.mu.RUnlock()
		defer snapshot.Close()
		s.merge(ctx, snapshot, fresh, spaceKey(space, prefix), len(spaceKey(space, "")), yield)
	}
}

// list is List for the one who holds mu.
func (s *Store) list(space shardlog.Space, prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		s.merge(context.Background(), s.db, s.fresh(space, prefix), spaceKey(space, prefix), len(spaceKey(space, "")), yield)
	}
}

type freshCell struct {
	key string
	cell
}

// fresh are the cells that are not on the disk yet, by key.
func (s *Store) fresh(space shardlog.Space, prefix string) []freshCell {
	var all []freshCell
	for k, c := range s.state.cells {
		if key, ok := strings.CutPrefix(k, string(space)+"\x00"); ok && strings.HasPrefix(key, prefix) {
			all = append(all, freshCell{key, c})
		}
	}
	slices.SortFunc(all, func(a, b freshCell) int { return strings.Compare(a.key, b.key) })
	return all
}

// merge yields rows of the disk and fresh cells in one order; fresh ones win.
func (s *Store) merge(ctx context.Context, from pebble.Reader, fresh []freshCell, lower []byte, cut int, yield func(string, []byte) bool) {
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: after(lower)})
	if err != nil {
		s.log.Error("list state", "error", err)
		return
	}
	defer it.Close()
	give := func(key string, c cell) bool { return c.value == nil || yield(key, slices.Clone(c.value)) }
	for ok := it.First(); ok && ctx.Err() == nil; ok = it.Next() {
		key := string(it.Key()[cut:])
		for len(fresh) > 0 && fresh[0].key < key {
			if !give(fresh[0].key, fresh[0].cell) {
				return
			}
			fresh = fresh[1:]
		}
		if len(fresh) > 0 && fresh[0].key == key {
			continue
		}
		c, err := parseCell(it.Value())
		if err != nil {
			s.log.Error("list state", "key", key, "error", err)
			continue
		}
		if c.value = append([]byte{}, c.value...); !yield(key, c.value) {
			return
		}
	}
	if err := it.Error(); err != nil {
		s.log.Error("list state", "error", err)
	}
	for _, f := range fresh {
		if ctx.Err() != nil || !give(f.key, f.cell) {
			return
		}
	}
}

// mutate changes small state, all or nothing.
func (a *applying) mutate(all []shardlog.Mutation) error {
	if err := a.checkMutations(all); err != nil {
		return err
	}
	a.mutated(all)
	return nil
}

// SetUnread has told be called when a command cannot be applied because state
// cannot be read here: on other gateways it was applied, or will be. Alone, a
// store that told returns to goes on, and the command fails. It is called
// within Apply, so it must ask nothing of the store but GiveUp.
func (s *Store) SetUnread(told func(err error)) { s.unread.Store(&told) }

func (s *Store) unreadable(err error) {
	if told := s.unread.Load(); told != nil {
		(*told)(err)
	}
}

// checkMutations holds every expectation against the state as the mutations
// before it leave it.
func (a *applying) checkMutations(all []shardlog.Mutation) error {
	seen := map[string]shardlog.Version{}
	for _, m := range all {
		id := cellKey(m.Space, m.Key)
		v, known := seen[id]
		if !known {
			c, err := a.s.cell(m.Space, m.Key)
			if err != nil {
				a.s.unreadable(err)
				return err
			}
			v = c.version
			if c.value == nil {
				v = 0
			}
		}
		if !m.Expect.Met(v) {
			return shardlog.Errorf(shardlog.Conflict, "mutate", "%s %q is at version %d", m.Space, m.Key, v)
		}
		seen[id] = shardlog.Version(a.index)
		if m.Value == nil {
			seen[id] = 0
		}
	}
	return nil
}

func (a *applying) mutated(all []shardlog.Mutation) {
	for _, m := range all {
		c := cell{version: shardlog.Version(a.index)}
		if m.Value != nil {
			c.value = append([]byte{}, m.Value...)
		}
		id := cellKey(m.Space, m.Key)
		a.st.cells[id] = c
		a.s.seen.drop(id)
	}
}
