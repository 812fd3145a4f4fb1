package shardlog

import (
	"encoding/binary"
	"math"
	"time"
)

// The wire form of the commands of one log entry:
//
//	+---------+----------+------------------------+----------+---------+---------+
//	| version | head len | block table            | commands | block 0 | block 1 | …
//	| 1 byte  | uvarint  | n, (class, stream,     |          |         |         |
//	|         |          |  bucket, length) × n   |          |         |         |
//	+---------+----------+------------------------+----------+---------+---------+
//	                     |<------------ head len ----------->|
//
// The head is a few hundred bytes; the blocks are the payload. A store keeps
// each block at its final place and only the head in its journal, so that no
// byte of payload is written twice.
//
// Version 1 is read as well; there a bundle carries its whole ID and no more
// than its places, and no entry has been numbered by its gateway.
const (
	wireVersion = 2
	wireFirst   = 1
)

const (
	wireAppend = iota + 1
	wireCreateStream
	wireDeleteStream
	wireSetRetention
	wireTrim
	wireMutate
	wireConcede
	wireSplitShard
	wireMergeShards
	wireSetRecordSize
	wireCreateSized // CreateStream with a record size of its own, behind the rest
)

// BlockRef is a block inside the wire form, and where it belongs.
type BlockRef struct {
	Class  Class
	Stream StreamID
	Bucket uint32
	Bytes  []byte
}

// EncodeCommands appends the wire form of the commands to b.
func EncodeCommands(b []byte, commands []Command) []byte {
	var blocks []BlockRef
	for _, c := range commands {
		if a, ok := c.(Append); ok {
			for _, s := range a.Blocks {
				blocks = append(blocks, BlockRef{s.Class, s.Stream, a.Bucket, s.Bytes})
			}
		}
	}
	w := wireWriter{}
	w.uint(uint64(len(blocks)))
	size := 0
	for _, r := range blocks {
		w.byte(byte(r.Class))
		w.uint(uint64(r.Stream))
		w.uint(uint64(r.Bucket))
		w.uint(uint64(len(r.Bytes)))
		size += len(r.Bytes)
	}
	w.uint(uint64(len(commands)))
	for _, c := range commands {
		w.command(c)
	}
	if cap(b)-len(b) < len(w.b)+size+16 {
		b = append(make([]byte, 0, len(b)+len(w.b)+size+16), b...)
	}
	b = append(b, wireVersion)
	b = binary.AppendUvarint(b, uint64(len(w.b)))
	b = append(b, w.b...)
	for _, r := range blocks {
		b = append(b, r.Bytes...)
	}
	return b
}

// SplitCommands takes the wire form apart into its head (version, length,
// table and commands) and its blocks; the head followed by the blocks' bytes
// is the wire form again. The results alias data. Kind Corrupt.
func SplitCommands(data []byte) (head []byte, blocks []BlockRef, err error) {
	r, headLen, err := openWire(data)
	if err != nil {
		return nil, nil, err
	}
	refs, err := r.table()
	if err != nil {
		return nil, nil, err
	}
	rest := data[headLen:]
	for i := range refs {
		n := refs[i].size
		if n > uint64(len(rest)) {
			return nil, nil, corruptWire("block %d of %d bytes, %d left", i, n, len(rest))
		}
		blocks = append(blocks, BlockRef{refs[i].class, refs[i].stream, refs[i].bucket, rest[:n:n]})
		rest = rest[n:]
	}
	if len(rest) != 0 {
		return nil, nil, corruptWire("%d bytes behind the last block", len(rest))
	}
	return data[:headLen:headLen], blocks, nil
}

// SplitHead reads the block table of a head that SplitCommands cut off: the
// blocks' places, with nil Bytes, and their sizes. Kind Corrupt.
func SplitHead(head []byte) (places []BlockRef, sizes []int, err error) {
	r, _, err := openWire(head)
	if err != nil {
		return nil, nil, err
	}
	refs, err := r.table()
	if err != nil {
		return nil, nil, err
	}
	for _, t := range refs {
		places = append(places, BlockRef{Class: t.class, Stream: t.stream, Bucket: t.bucket})
		sizes = append(sizes, int(t.size))
	}
	return places, sizes, nil
}

// DecodeCommands reads the wire form. The commands alias data. Kind Corrupt.
func DecodeCommands(data []byte) ([]Command, error) {
	_, blocks, err := SplitCommands(data)
	if err != nil {
		return nil, err
	}
	r, _, err := openWire(data)
	if err != nil {
		return nil, err
	}
	if _, err := r.table(); err != nil {
		return nil, err
	}
	n := r.count(1)
	commands := make([]Command, 0, n)
	for range n {
		commands = append(commands, r.command(&blocks))
	}
	if r.bad || len(r.b) != 0 || len(blocks) != 0 {
		return nil, corruptWire("commands do not fill their head")
	}
	return commands, nil
}

func corruptWire(format string, args ...any) error {
	return Errorf(Corrupt, "decode commands", format, args...)
}

// openWire checks version and length and returns a reader of the head's inside.
func openWire(data []byte) (*wireReader, int, error) {
	if len(data) < 2 || data[0] < wireFirst || data[0] > wireVersion {
		return nil, 0, corruptWire("no version from %d to %d", wireFirst, wireVersion)
	}
	size, n := binary.Uvarint(data[1:])
	if n <= 0 || size > uint64(len(data)-1-n) {
		return nil, 0, corruptWire("head is cut off")
	}
	end := 1 + n + int(size)
	return &wireReader{b: data[1+n : end], version: data[0]}, end, nil
}

type wireWriter struct{ b []byte }

func (w *wireWriter) byte(v byte)          { w.b = append(w.b, v) }
func (w *wireWriter) uint(v uint64)        { w.b = binary.AppendUvarint(w.b, v) }
func (w *wireWriter) int(v int64)          { w.b = binary.AppendVarint(w.b, v) }
func (w *wireWriter) fixed(v uint64)       { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *wireWriter) text(v string)        { w.uint(uint64(len(v))); w.b = append(w.b, v...) }
func (w *wireWriter) time(t time.Time)     { w.int(millis(t)) }
func (w *wireWriter) bytes(v []byte)       { w.uint(uint64(len(v))); w.b = append(w.b, v...) }
func (w *wireWriter) span(d time.Duration) { w.int(int64(d)) }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixMilli()
}

func (w *wireWriter) command(c Command) {
	switch c := c.(type) {
	case Append:
		w.byte(wireAppend)
		w.time(c.At)
		w.uint(uint64(c.Bucket))
		w.bundles(c.Bundles)
		w.uint(uint64(len(c.Blocks)))
		w.mutations(c.Mutations)
	case CreateStream:
		w.createStream(c)
	case DeleteStream:
		w.byte(wireDeleteStream)
		w.time(c.At)
		w.text(string(c.Name))
	case SetRetention:
		w.byte(wireSetRetention)
		w.time(c.At)
		w.text(string(c.Name))
		w.span(c.Retention)
	case SetRecordSize:
		w.byte(wireSetRecordSize)
		w.time(c.At)
		w.text(string(c.Name))
		w.uint(uint64(c.KiB))
	case SplitShard:
		w.byte(wireSplitShard)
		w.time(c.At)
		w.shard(c.Shard)
		w.fixed(c.Start.Hi)
		w.fixed(c.Start.Lo)
	case MergeShards:
		w.byte(wireMergeShards)
		w.time(c.At)
		w.shard(c.Shard)
		w.shard(c.Adjacent)
	case Trim:
		w.byte(wireTrim)
		w.time(c.At)
		w.uint(uint64(c.Stream))
		w.time(c.Horizon)
		w.uint(uint64(c.Through))
		w.text(string(c.Reason))
	case Mutate:
		w.byte(wireMutate)
		w.time(c.At)
		w.mutations(c.Mutations)
	case Concede:
		w.byte(wireConcede)
		w.time(c.At)
		w.gaps(c.Gaps)
		w.mutations(c.Mutations)
	}
}

func (w *wireWriter) createStream(c CreateStream) {
	tag := byte(wireCreateStream)
	if c.Spec.RecordKiB != 0 {
		tag = wireCreateSized
	}
	w.byte(tag)
	w.time(c.At)
	w.text(string(c.Spec.Name))
	w.uint(uint64(c.Spec.Shards))
	w.span(c.Spec.Retention)
	w.byte(byte(c.Spec.Class))
	if tag == wireCreateSized {
		w.uint(uint64(c.Spec.RecordKiB))
	}
}

func (w *wireWriter) shard(s ShardID) {
	w.uint(uint64(s.Stream))
	w.uint(uint64(s.Number))
}

func (w *wireWriter) mutations(m []Mutation) {
	w.uint(uint64(len(m)))
	for _, m := range m {
		w.text(string(m.Space))
		w.text(m.Key)
		version, checked := m.Expect.Wanted()
		flags := byte(0)
		if checked {
			flags |= 1
		}
		if m.Value == nil {
			flags |= 2
		}
		w.byte(flags)
		if checked {
			w.uint(uint64(version))
		}
		if m.Value != nil {
			w.bytes(m.Value)
		}
	}
}

// wireReader reads a head. After the first fault it reads zeros and bad is set.
type wireReader struct {
	b       []byte
	version byte
	bad     bool
}

type tableRow struct {
	class  Class
	stream StreamID
	bucket uint32
	size   uint64
}

func (r *wireReader) table() ([]tableRow, error) {
	n := r.count(4)
	rows := make([]tableRow, 0, n)
	for range n {
		rows = append(rows, tableRow{Class(r.byte()), StreamID(r.small()), r.small(), r.uint()})
	}
	if r.bad {
		return nil, corruptWire("block table is cut off")
	}
	return rows, nil
}

func (r *wireReader) fail() { r.bad, r.b = true, nil }

func (r *wireReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *wireReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *wireReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *wireReader) small() uint32 {
	v := r.uint()
	if v > math.MaxUint32 {
		r.fail()
		return 0
	}
	return uint32(v)
}

// count reads a number of things that take at least size bytes each.
func (r *wireReader) count(size int) int {
	v := r.uint()
	if v > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *wireReader) fixed() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

func (r *wireReader) bytes() []byte {
	n := r.count(1)
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *wireReader) text() string { return string(r.bytes()) }

func (r *wireReader) time() time.Time {
	v := r.int()
	if v == math.MinInt64 {
		return time.Time{}
	}
	return time.UnixMilli(v).UTC()
}

func (r *wireReader) command(blocks *[]BlockRef) Command {
	switch tag := r.byte(); tag {
	case wireAppend:
		return r.append(blocks)
	case wireCreateStream, wireCreateSized:
		return r.createStream(tag)
	case wireDeleteStream:
		return DeleteStream{r.time(), StreamName(r.text())}
	case wireSetRetention:
		return SetRetention{r.time(), StreamName(r.text()), time.Duration(r.int())}
	case wireSetRecordSize:
		return SetRecordSize{r.time(), StreamName(r.text()), int(r.small())}
	case wireSplitShard:
		return SplitShard{r.time(), r.shard(), Hash{Hi: r.fixed(), Lo: r.fixed()}}
	case wireMergeShards:
		return MergeShards{r.time(), r.shard(), r.shard()}
	case wireTrim:
		return Trim{r.time(), StreamID(r.small()), r.time(), r.small(), Reason(r.text())}
	case wireMutate:
		return Mutate{r.time(), r.mutations()}
	case wireConcede:
		return Concede{r.time(), r.gaps(), r.mutations()}
	}
	r.fail()
	return nil
}

func (r *wireReader) createStream(tag byte) CreateStream {
	c := CreateStream{At: r.time(), Spec: StreamSpec{Name: StreamName(r.text()), Shards: int(r.small()), Retention: time.Duration(r.int()), Class: Class(r.byte())}}
	if tag == wireCreateSized {
		c.Spec.RecordKiB = int(r.small())
	}
	return c
}

func (r *wireReader) shard() ShardID { return ShardID{Stream: StreamID(r.small()), Number: r.small()} }

func (r *wireReader) append(blocks *[]BlockRef) Command {
	a := Append{At: r.time(), Bucket: r.small()}
	a.Bundles = r.bundles()
	n := r.uint()
	if n > uint64(len(*blocks)) {
		r.fail()
		return nil
	}
	for _, k := range (*blocks)[:n] {
		a.Blocks = append(a.Blocks, SealedBlock{k.Stream, k.Class, k.Bytes})
	}
	*blocks = (*blocks)[n:]
	a.Mutations = r.mutations()
	return a
}

func (r *wireReader) mutations() []Mutation {
	var all []Mutation
	for range r.count(3) {
		m := Mutation{Space: Space(r.text()), Key: r.text()}
		flags := r.byte()
		if flags&1 != 0 {
			m.Expect = At(Version(r.uint()))
		}
		if flags&2 == 0 {
			m.Value = r.bytes()
		}
		all = append(all, m)
	}
	return all
}
