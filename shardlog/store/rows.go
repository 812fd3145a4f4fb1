package store

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	"headgate/shardlog"
)

// Rows that change with every flush are numbers in sequence; those that
// people change are JSON.

// streamRow is the row of kind stateStream.
type streamRow struct {
	Stream  shardlog.Stream
	Horizon time.Time
}

func (st *stream) value() []byte { return mustJSON(streamRow{st.Stream, st.horizon}) }

func (st *state) loadStream(_, value []byte) error {
	var r streamRow
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	s := &stream{Stream: r.Stream, horizon: r.Horizon}
	st.byName[s.Name], st.byID[s.ID] = s, s
	return nil
}

type numbers struct{ b []byte }

func (n *numbers) put(v ...uint64) {
	for _, v := range v {
		n.b = binary.AppendUvarint(n.b, v)
	}
}

func (n *numbers) ends(ends []shardlog.ShardEnd) {
	n.put(uint64(len(ends)))
	for _, e := range ends {
		n.put(uint64(e.Shard), uint64(e.End))
	}
}

// take reads the next number; after the end it reads zeros and b is nil.
func (n *numbers) take() uint64 {
	v, size := binary.Uvarint(n.b)
	if size <= 0 {
		n.b = nil
		return 0
	}
	n.b = n.b[size:]
	return v
}

func (n *numbers) takeEnds() []shardlog.ShardEnd {
	count := min(n.take(), uint64(len(n.b)))
	ends := make([]shardlog.ShardEnd, 0, count)
	for range count {
		ends = append(ends, shardlog.ShardEnd{Shard: uint32(n.take()), End: shardlog.Seq(n.take())})
	}
	return ends
}

func (n *numbers) done() error {
	if n.b == nil || len(n.b) != 0 {
		return shardlog.Errorf(shardlog.Corrupt, "read row", "numbers are cut off or too many")
	}
	return nil
}

func (e *extent) key() []byte { return stateKey(stateExtent, uint32(e.Stream), e.Bucket) }

func (e *extent) value() []byte {
	var n numbers
	n.put(uint64(e.Class), uint64(e.Oldest.UnixMilli()), uint64(e.Newest.UnixMilli()), e.Records, e.Bytes,
		e.firstIndex, uint64(e.skipped), uint64(e.skipBytes))
	n.ends(e.Ends)
	return n.b
}

func (st *state) loadExtent(key, value []byte) error {
	if len(key) != 8 {
		return shardlog.Errorf(shardlog.Corrupt, "read extent", "key %x", key)
	}
	s := st.byID[shardlog.StreamID(binary.BigEndian.Uint32(key))]
	if s == nil {
		return nil // its stream is gone; the rows go with the next trim
	}
	e, n := &extent{}, numbers{value}
	e.Stream, e.Bucket = s.ID, binary.BigEndian.Uint32(key[4:])
	e.Class = shardlog.Class(n.take())
	e.Oldest, e.Newest = time.UnixMilli(int64(n.take())).UTC(), time.UnixMilli(int64(n.take())).UTC()
	e.Records, e.Bytes, e.firstIndex = n.take(), n.take(), n.take()
	e.skipped, e.skipBytes = int(n.take()), int(n.take())
	e.Ends = n.takeEnds()
	s.extents = append(s.extents, e)
	return n.done()
}

func (k skip) value() []byte {
	var n numbers
	n.put(uint64(k.at.UnixMilli()))
	n.ends(k.next)
	return n.b
}

func parseSkip(bucket uint32, index uint64, value []byte) (skip, error) {
	n := numbers{value}
	k := skip{bucket: bucket, index: index, at: time.UnixMilli(int64(n.take())).UTC()}
	k.next = n.takeEnds()
	return k, n.done()
}

// of is the next sequence of a shard at the milestone, 1 when it had none yet.
func (k skip) of(shard uint32) shardlog.Seq {
	i, ok := slices.BinarySearchFunc(k.next, shard, func(s shardlog.ShardEnd, n uint32) int { return int(int64(s.Shard) - int64(n)) })
	if !ok {
		return 1
	}
	return k.next[i].End
}
