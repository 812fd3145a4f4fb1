package forward

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// item is one bundle in a row: Puts of one stream under one number, or state
// changes alone.
type item struct {
	id      shardlog.BundleID
	settled uint64              // no row from this one on holds a smaller number of this origin
	stream  shardlog.StreamName // "": no entries
	entries []shardlog.Entry
	with    []shardlog.Mutation
}

// row is what the spool keeps in one piece. FORMAT.md has it byte by byte.
type row struct {
	at    time.Time
	total uint64 // records in all rows of the spool's life, this one included
	items []item
}

// rowVersion begins every row.
const rowVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *row) records() (n uint64) {
	for i := range r.items {
		n += uint64(len(r.items[i].entries))
	}
	return n
}

// encode is the row's bytes. The builder is used and left empty.
func (r *row) encode(b *block.Builder) ([]byte, error) {
	w := encoder{}
	w.int(r.at.UnixMilli())
	w.uint(r.total)
	w.uint(uint64(len(r.items)))
	var streams []shardlog.StreamName
	for i := range r.items {
		it := &r.items[i]
		w.id(it.id)
		w.uint(it.settled)
		w.text(string(it.stream))
		w.uint(uint64(len(it.entries)))
		w.mutations(it.with)
		if len(it.entries) > 0 && !has(streams, it.stream) {
			streams = append(streams, it.stream)
		}
	}
	out := encoder{[]byte{rowVersion}}
	out.bytes(w.b)
	out.b = binary.LittleEndian.AppendUint32(out.b, crc32.Checksum(w.b, castagnoli))
	for _, s := range streams {
		sealed, err := r.seal(b, s)
		if err != nil {
			return nil, err
		}
		out.bytes(sealed)
	}
	return out.b, nil
}

func has(all []shardlog.StreamName, s shardlog.StreamName) bool {
	for _, o := range all {
		if o == s {
			return true
		}
	}
	return false
}

// seal makes the block of a stream's entries.
func (r *row) seal(b *block.Builder, stream shardlog.StreamName) ([]byte, error) {
	for i := range r.items {
		if r.items[i].stream != stream {
			continue
		}
		for _, e := range r.items[i].entries {
			e.Origin = time.Time{} // it is the row's
			b.Add(0, e)
		}
	}
	return b.Seal(block.Head{At: r.at}, func(uint32) shardlog.Seq { return 1 })
}

// decodeHead reads a row without its entries: counts[i] is how many the item
// has. Kind Corrupt.
func decodeHead(b []byte) (r row, counts []int, blocks []byte, err error) {
	d := decoder{b: b}
	if d.byte() != rowVersion {
		d.fail()
	}
	head := d.bytes()
	if len(d.b) < 4 || crc32.Checksum(head, castagnoli) != binary.LittleEndian.Uint32(d.b) {
		return row{}, nil, nil, shardlog.Errorf(shardlog.Corrupt, "decode row", "its head does not match its checksum")
	}
	blocks = d.b[4:]
	h := decoder{b: head}
	r.at, r.total = time.UnixMilli(h.int()).UTC(), h.uint()
	for range h.count(21) {
		it := item{id: h.id(), settled: h.uint(), stream: shardlog.StreamName(h.text())}
		n := h.uint()
		if n > maxRowEntries || n > 0 && it.stream == "" {
			h.fail()
		}
		it.with = h.mutations()
		if h.bad {
			break
		}
		r.items, counts = append(r.items, it), append(counts, int(n))
	}
	return r, counts, blocks, h.end("decode row")
}

// maxRowEntries is more than any item holds.
const maxRowEntries = 1 << 24

// decodeRow reads a row; its entries have their Origin. Kind Corrupt.
func decodeRow(b []byte) (row, error) {
	r, counts, rest, err := decodeHead(b)
	if err != nil {
		return row{}, err
	}
	d := decoder{b: rest}
	open := map[shardlog.StreamName]*reading{}
	for i := range r.items {
		it := &r.items[i]
		if counts[i] == 0 {
			continue
		}
		from := open[it.stream]
		if from == nil {
			sealed, err := block.Open(d.bytes())
			if err != nil {
				return row{}, err
			}
			from = &reading{block: sealed}
			open[it.stream] = from
		}
		if it.entries = from.take(counts[i], r.at); it.entries == nil {
			return row{}, shardlog.Errorf(shardlog.Corrupt, "decode row", "%d entries of %s are missing", counts[i], it.stream)
		}
	}
	return r, d.end("decode row")
}

// reading is a block that is read from its beginning.
type reading struct {
	block *block.Block
	next  int
}

func (r *reading) take(n int, at time.Time) []shardlog.Entry {
	if n > r.block.Header().Records-r.next || len(r.block.Header().Runs) != 1 {
		return nil
	}
	out := make([]shardlog.Entry, n)
	for i := range out {
		rec := r.block.Record(0, r.next+i)
		out[i] = shardlog.Entry{Key: rec.Key, Hash: rec.Hash, Data: rec.Data, Meta: rec.Meta, Origin: at}
	}
	r.next += n
	return out
}
