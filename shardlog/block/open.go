package block

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"headgate/shardlog"
)

// Block is an opened block. It is immutable and safe for concurrent use.
type Block struct {
	header Header
	begins []uint32 // the first record of each run, and the end
	keys   string   // all keys, cut at keyEnd
	metas  []byte   // all metas, cut at metaEnd
	data   []byte   // all data, cut at dataEnd
	keyEnd, dataEnd,
	metaEnd []uint32
	hashes  []*shardlog.Hash // nil when no record has one
	origins []int64          // as rows have them, nil when no record has one
	size    int
}

// decoder is what Open decompresses with, safe for concurrent use; a few blocks
// at once, others wait. Blocks are opened one by one in several rooms that
// share no value which could own a decoder, and a decoder of its own would cost
// each block some 60 KB of garbage, more than what it holds. It is made before
// anything runs: it holds a channel, and one made inside a test's synctest
// bubble could not be used in the next.
var decoder = newDecoder()

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxFrame), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("block: options of the decoder: " + err.Error())
	}
	return d
}

// Open verifies a block and decompresses it. It keeps no reference to b.
// What does not fit is Corrupt, whatever the bytes; a block that claims more
// than MaxFrame is refused before memory is taken for it.
func Open(b []byte) (*Block, error) {
	h, codec, payload, err := verify(b)
	if err != nil {
		return nil, err
	}
	frame, err := decompress(codec, payload)
	if err != nil {
		return nil, err
	}
	return openFrame(h, frame)
}

func decompress(codec byte, payload []byte) ([]byte, error) {
	if codec == codecRaw {
		if len(payload) > MaxFrame {
			return nil, corrupt("frame of %d bytes", len(payload))
		}
		return append(make([]byte, 0, len(payload)), payload...), nil
	}
	var z zstd.Header
	if err := z.Decode(payload); err != nil || z.Skippable || !z.HasFCS || z.FrameContentSize > MaxFrame {
		return nil, corrupt("compressed frame does not say an allowed size")
	}
	frame, err := decoder.DecodeAll(payload, make([]byte, 0, z.FrameContentSize))
	if err != nil || uint64(len(frame)) != z.FrameContentSize {
		return nil, corrupt("decompress %d bytes: %v", len(payload), err)
	}
	return frame, nil
}

// openFrame takes a frame apart and keeps it.
func openFrame(h Header, frame []byte) (*Block, error) {
	r := reader{b: frame}
	have := r.take(1)
	if r.bad || have[0]&^allColumns != 0 || h.Records > len(frame)/2 {
		return nil, corrupt("frame of %d bytes for %d records", len(frame), h.Records)
	}
	rows := r.table(have[0], h.Records)
	bl := &Block{header: h, hashes: r.hashes(have[0], rows)}
	if r.bad || !bl.cut(&r, rows) {
		return nil, corrupt("table does not fit the frame")
	}
	if have[0]&hasOrigin != 0 {
		bl.origins = make([]int64, len(rows))
		for i := range rows {
			bl.origins[i] = rows[i].origin
		}
	}
	bl.begins = make([]uint32, 1, len(h.Runs)+1)
	for i, run := range h.Runs {
		bl.begins = append(bl.begins, bl.begins[i]+run.Count)
	}
	bl.size = cap(frame) + len(bl.keys) + cap(bl.metas) +
		4*(len(bl.keyEnd)+len(bl.dataEnd)+len(bl.metaEnd)) + (hashSize+8)*len(bl.hashes) + 8*len(bl.origins)
	return bl, nil
}

func (r *reader) table(have byte, n int) []row {
	rows := make([]row, n)
	for i := range rows {
		rows[i].key = int(r.uvarint(MaxFrame))
	}
	for i := range rows {
		rows[i].data = int(r.uvarint(MaxFrame))
	}
	if have&hasKeyAt != 0 {
		for i := range rows {
			rows[i].keyAt = int(r.uvarint(searched))
		}
	}
	if have&hasMeta != 0 {
		for i := range rows {
			rows[i].meta = int(r.uvarint(MaxFrame))
		}
	}
	if have&hasMetaAt != 0 {
		for i := range rows {
			rows[i].metaAt = int(r.uvarint(searched))
		}
	}
	if have&hasHash != 0 {
		for i := range rows {
			rows[i].hash = r.uvarint(1) == 1
		}
	}
	if have&hasOrigin != 0 {
		for i := range rows {
			rows[i].origin = int64(r.uvarint(maxUnixTime))
		}
	}
	return rows
}

func (r *reader) hashes(have byte, rows []row) []*shardlog.Hash {
	if have&hasHash == 0 || r.bad {
		return nil
	}
	hashes := make([]*shardlog.Hash, len(rows))
	for i := range rows {
		if !rows[i].hash {
			continue
		}
		b := r.take(hashSize)
		if r.bad {
			return nil
		}
		hashes[i] = &shardlog.Hash{Hi: binary.BigEndian.Uint64(b), Lo: binary.BigEndian.Uint64(b[8:])}
	}
	return hashes
}

// cut divides what follows the table among the records; false when it does
// not come out even.
func (bl *Block) cut(r *reader, rows []row) bool {
	var literal, keys, metas, stored, data int
	bl.keyEnd, bl.dataEnd = make([]uint32, len(rows)), make([]uint32, len(rows))
	for i, w := range rows {
		if w.keyAt > 0 && w.keyAt-1+w.key > w.data || w.metaAt > 0 && w.metaAt-1+w.key > w.meta {
			return false
		}
		keys, metas, data = keys+w.key, metas+w.meta, data+w.data
		if w.keyAt == 0 {
			literal += w.key
		}
		if stored += w.meta; w.metaAt > 0 {
			stored -= w.key
		}
		if keys+metas+data > bl.header.Raw {
			return false
		}
		bl.keyEnd[i], bl.dataEnd[i] = uint32(keys), uint32(data)
	}
	keyBytes, metaBytes := r.take(literal), r.take(stored)
	bl.data = r.take(data)
	if r.bad || len(r.b) > 0 || keys+metas+data != bl.header.Raw {
		return false
	}
	bl.joinKeys(keyBytes, rows, keys)
	if metas > 0 {
		bl.joinMetas(metaBytes, rows, metas)
	}
	return true
}

func (bl *Block) joinKeys(literal []byte, rows []row, size int) {
	var keys strings.Builder
	keys.Grow(size)
	data := bl.data
	for _, w := range rows {
		if w.keyAt > 0 {
			keys.Write(data[w.keyAt-1 : w.keyAt-1+w.key])
		} else {
			keys.Write(literal[:w.key])
			literal = literal[w.key:]
		}
		data = data[w.data:]
	}
	bl.keys = keys.String()
}

func (bl *Block) joinMetas(stored []byte, rows []row, size int) {
	bl.metas, bl.metaEnd = make([]byte, 0, size), make([]uint32, len(rows))
	for i, w := range rows {
		n := w.meta
		if w.metaAt > 0 {
			n -= w.key
			bl.metas = append(bl.metas, stored[:w.metaAt-1]...)
			bl.metas = append(bl.metas, bl.key(i)...)
			bl.metas = append(bl.metas, stored[w.metaAt-1:n]...)
		} else {
			bl.metas = append(bl.metas, stored[:n]...)
		}
		stored = stored[n:]
		bl.metaEnd[i] = uint32(len(bl.metas))
	}
}

// Header is what the block says of itself. Its Runs are the block's own and
// must not be changed.
func (bl *Block) Header() Header { return bl.header }

// Find is the ordinal of the shard's run.
func (bl *Block) Find(shard uint32) (run int, ok bool) { return bl.header.Find(shard) }

// Size is the memory that the block holds, in bytes.
func (bl *Block) Size() int { return bl.size }

// Record is the i-th record of a run, from zero. Its Key, Data and Meta share
// the block's memory, which lives as long as any of them; they must not be
// changed. An empty Meta is nil. A run or record that the block does not have
// panics like an index out of range.
func (bl *Block) Record(run, i int) shardlog.Record {
	place := bl.header.Runs[run]
	if i < 0 || i >= int(place.Count) {
		panic("block: no such record in the run")
	}
	n := int(bl.begins[run]) + i
	from, to := span(bl.dataEnd, n)
	r := shardlog.Record{
		Seq:     place.First + shardlog.Seq(i),
		Arrived: bl.header.At,
		Key:     bl.key(n),
		Data:    bl.data[from:to:to],
	}
	if bl.hashes != nil {
		r.Hash = bl.hashes[n]
	}
	if bl.origins != nil && bl.origins[n] > 0 {
		r.Origin = time.UnixMilli(bl.origins[n] - 1).UTC()
	}
	if bl.metaEnd != nil {
		if from, to := span(bl.metaEnd, n); to > from {
			r.Meta = bl.metas[from:to:to]
		}
	}
	return r
}

func (bl *Block) key(n int) string {
	from, to := span(bl.keyEnd, n)
	return bl.keys[from:to]
}

// span is where the n-th piece lies in a column that is cut at these ends.
func span(ends []uint32, n int) (from, to uint32) {
	if n > 0 {
		from = ends[n-1]
	}
	return from, ends[n]
}
