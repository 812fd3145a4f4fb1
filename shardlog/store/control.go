package store

import (
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

// createStream makes a stream whose shards share the ring evenly.
func (a *applying) createStream(c shardlog.CreateStream) shardlog.Outcome {
	if a.st.byName[c.Spec.Name] != nil {
		return shardlog.Outcome{Err: &shardlog.Error{Kind: shardlog.InUse, Op: "create stream", Stream: c.Spec.Name}}
	}
	a.st.lastID++
	st := &stream{Stream: shardlog.Stream{
		ID:        a.st.lastID,
		Name:      c.Spec.Name,
		Class:     c.Spec.Class,
		Created:   c.At.Truncate(time.Second),
		Retention: c.Spec.Retention,
		RecordKiB: c.Spec.RecordKiB,
	}}
	for i, r := range keyspace.Even(c.Spec.Shards) {
		st.Shards = append(st.Shards, shardlog.Shard{
			ID:      shardlog.ShardID{Stream: st.ID, Number: uint32(i)},
			Created: uint64(c.At.Unix()),
			From:    r.From, To: r.To,
			Next: 1, Oldest: 1, Kept: 1,
		})
	}
	a.st.byName[st.Name], a.st.byID[st.ID] = st, st
	a.st.dirty.streams[st.ID] = struct{}{}
	a.flushNow()
	return shardlog.Outcome{Made: st.snapshot()}
}

// flushNow makes the present flush.
func (a *applying) flushNow() {
	a.st.pending.ops = append(a.st.pending.ops, func(*pebble.Batch) error { return nil })
}

func (a *applying) deleteStream(c shardlog.DeleteStream) shardlog.Outcome {
	st := a.st.byName[c.Name]
	if st == nil {
		return shardlog.Outcome{Err: &shardlog.Error{Kind: shardlog.NotFound, Op: "delete stream", Stream: c.Name}}
	}
	for _, sh := range st.Shards {
		a.touched = append(a.touched, sh.ID)
	}
	a.dropExtents(st, len(st.extents))
	prefix := stateKey(stateSkip, uint32(st.ID))
	a.st.pending.ops = append(a.st.pending.ops, func(b *pebble.Batch) error {
		if err := b.DeleteRange(prefix, after(prefix), nil); err != nil {
			return err
		}
		return b.Delete(stateKey(stateStream, uint32(st.ID)), nil)
	})
	delete(a.st.byName, st.Name)
	delete(a.st.byID, st.ID)
	return shardlog.Outcome{}
}

// concede keeps gaps of records that never had a place.
func (a *applying) concede(c shardlog.Concede) shardlog.Outcome {
	if err := a.mutate(c.Mutations); err != nil {
		return shardlog.Outcome{Err: err}
	}
	a.addGaps(c.Gaps)
	return shardlog.Outcome{Gaps: c.Gaps}
}

func (a *applying) setRetention(c shardlog.SetRetention) shardlog.Outcome {
	st := a.st.byName[c.Name]
	if st == nil {
		return shardlog.Outcome{Err: &shardlog.Error{Kind: shardlog.NotFound, Op: "set retention", Stream: c.Name}}
	}
	st.Retention = c.Retention
	a.st.dirty.streams[st.ID] = struct{}{}
	a.flushNow()
	return shardlog.Outcome{}
}

func (a *applying) setRecordSize(c shardlog.SetRecordSize) shardlog.Outcome {
	st := a.st.byName[c.Name]
	if st == nil {
		return shardlog.Outcome{Err: &shardlog.Error{Kind: shardlog.NotFound, Op: "set record size", Stream: c.Name}}
	}
	st.RecordKiB = c.KiB
	a.st.dirty.streams[st.ID] = struct{}{}
	a.flushNow()
	return shardlog.Outcome{}
}

// dropExtents deletes the blocks of the stream's oldest n extents. Those of
// entries that lie behind this one in the journal stay until it is their turn:
// who reads the journal wants them whole.
func (a *applying) dropExtents(st *stream, n int) {
	for _, e := range st.extents[:n] {
		delete(a.st.dirty.extents, e)
		blocks, behind := e.name().prefix(), e.name().from(a.index+1)
		skips := stateKey(stateSkip, uint32(e.Stream), e.Bucket)
		key := e.key()
		a.st.pending.ops = append(a.st.pending.ops, func(b *pebble.Batch) error {
			if err := b.DeleteRange(blocks, behind, nil); err != nil {
				return err
			}
			if err := b.DeleteRange(skips, after(skips), nil); err != nil {
				return err
			}
			return b.Delete(key, nil)
		})
	}
	if n > 0 {
		last := st.extents[n-1].Bucket
		st.skips = slices.DeleteFunc(st.skips, func(k skip) bool { return k.bucket <= last })
		st.ring = slices.DeleteFunc(slices.Clone(st.ring), func(r ref) bool { return r.bucket <= last })
		st.extents = slices.Clone(st.extents[n:])
	}
	a.st.pending.ops = append(a.st.pending.ops, a.s.dropHeads)
}
