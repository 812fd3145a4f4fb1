package store

import (
	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
)

// A flush writes what has changed in the state since the last one, with the
// applied index, in one batch that is not waited for: until then the journal
// holds the same in synced form. So that a start repeats little, it happens
// every flushCommands commands or flushBytes of blocks.
const (
	flushCommands = 128
	flushBytes    = 4 << 20
	flushCells    = 4096
)

// dirtySet names the rows that differ from the disk.
type dirtySet struct {
	streams map[shardlog.StreamID]struct{}
	extents map[*extent]struct{}
	origins map[origin]struct{}
	changed bool
}

func (d *dirtySet) reset() {
	*d = dirtySet{streams: map[shardlog.StreamID]struct{}{}, extents: map[*extent]struct{}{}, origins: map[origin]struct{}{}}
}

// pending is what a command wants of the disk at once.
type pending struct {
	commands int
	bytes    int
	ops      []func(*pebble.Batch) error // deletions, gaps: they force a flush
}

func (st *state) due() bool {
	return len(st.pending.ops) > 0 || st.pending.commands >= flushCommands || st.pending.bytes >= flushBytes || len(st.cells) >= flushCells
}

// flushState writes the dirty rows, and with them whatever extra adds. With
// extra it waits until the batch is on the disk. The caller holds mu.
func (s *Store) flushState(extra func(*pebble.Batch) error) error {
	st := &s.state
	if !st.dirty.changed && extra == nil {
		return nil
	}
	b := s.db.NewBatch()
	defer b.Close()
	if err := st.writeRows(b); err != nil {
		return err
	}
	for _, op := range st.pending.ops {
		if err := op(b); err != nil {
			return err
		}
	}
	wait := pebble.NoSync
	if extra != nil {
		wait = pebble.Sync
		if err := extra(b); err != nil {
			return err
		}
	}
	if err := s.must(b.Commit(wait)); err != nil {
		return err
	}
	st.clean()
	return nil
}

func (st *state) writeRows(b *pebble.Batch) error {
	set := func(key, value []byte) error { return b.Set(key, value, nil) }
	if err := set(stateKey(stateApplied), st.appliedValue()); err != nil {
		return err
	}
	for id := range st.dirty.streams {
		s := st.byID[id]
		if s == nil {
			continue // deleted: its rows go by pending.ops
		}
		if err := set(stateKey(stateStream, uint32(id)), s.value()); err != nil {
			return err
		}
		for _, k := range s.skips {
			if err := set(skipKey(id, k.bucket, k.index), k.value()); err != nil {
				return err
			}
		}
	}
	for e := range st.dirty.extents {
		if err := set(e.key(), e.value()); err != nil {
			return err
		}
	}
	for o := range st.dirty.origins {
		if st.origins[o] == nil {
			continue // forgotten: its row goes by pending.ops
		}
		if err := set(originKey(o), st.origins[o].value()); err != nil {
			return err
		}
	}
	return st.writeCells(b)
}

func (st *state) writeCells(b *pebble.Batch) error {
	for key, c := range st.cells {
		full := append([]byte{prefixState, stateSpace}, key...)
		if c.value == nil {
			if err := b.Delete(full, nil); err != nil {
				return err
			}
			continue
		}
		if err := b.Set(full, cellValue(c), nil); err != nil {
			return err
		}
	}
	return nil
}

// clean forgets what a flush has written.
func (st *state) clean() {
	for id := range st.dirty.streams {
		if s := st.byID[id]; s != nil {
			s.skips = nil
			s.shrinkRing()
		}
	}
	clear(st.cells)
	st.flushed = st.applied
	st.pending = pending{}
	st.dirty.reset()
}
