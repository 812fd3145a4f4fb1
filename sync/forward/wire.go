package forward

import (
	"encoding/binary"
	"math"
	"time"

	"headgate/shardlog"
)

// encoder appends to a message. FORMAT.md has the messages byte by byte.
type encoder struct{ b []byte }

func (w *encoder) byte(v byte)    { w.b = append(w.b, v) }
func (w *encoder) uint(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *encoder) int(v int64)    { w.b = binary.AppendVarint(w.b, v) }
func (w *encoder) fixed(v uint64) { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *encoder) text(v string)  { w.uint(uint64(len(v))); w.b = append(w.b, v...) }
func (w *encoder) bytes(v []byte) { w.uint(uint64(len(v))); w.b = append(w.b, v...) }

func (w *encoder) id(id shardlog.BundleID) {
	w.fixed(id.Gateway)
	w.fixed(id.Incarnation)
	w.uint(id.Number)
}

const (
	hasHash = 1 << iota
	hasMeta
	hasOrigin
)

func (w *encoder) entry(e shardlog.Entry) {
	flags := byte(0)
	if e.Hash != nil {
		flags |= hasHash
	}
	if len(e.Meta) > 0 {
		flags |= hasMeta
	}
	if !e.Origin.IsZero() {
		flags |= hasOrigin
	}
	w.byte(flags)
	w.text(e.Key)
	w.bytes(e.Data)
	if e.Hash != nil {
		w.fixed(e.Hash.Hi)
		w.fixed(e.Hash.Lo)
	}
	if len(e.Meta) > 0 {
		w.bytes(e.Meta)
	}
	if !e.Origin.IsZero() {
		w.int(e.Origin.UnixMilli())
	}
}

const (
	expects = 1 << iota
	deletes
)

func (w *encoder) mutations(all []shardlog.Mutation) {
	w.uint(uint64(len(all)))
	for _, m := range all {
		version, checked := m.Expect.Wanted()
		flags := byte(0)
		if checked {
			flags |= expects
		}
		if m.Value == nil {
			flags |= deletes
		}
		w.byte(flags)
		w.text(string(m.Space))
		w.text(m.Key)
		if checked {
			w.uint(uint64(version))
		}
		if m.Value != nil {
			w.bytes(m.Value)
		}
	}
}

// decoder reads a message; what it answers aliases the message. After the
// first fault it reads zeros and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

func (r *decoder) fail() { r.bad, r.b = true, nil }

func (r *decoder) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *decoder) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *decoder) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *decoder) small() uint32 {
	v := r.uint()
	if v > math.MaxUint32 {
		r.fail()
		return 0
	}
	return uint32(v)
}

// count reads a number of things that take at least size bytes each.
func (r *decoder) count(size int) int {
	v := r.uint()
	if v > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *decoder) fixed() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

func (r *decoder) bytes() []byte {
	n := r.count(1)
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *decoder) text() string { return string(r.bytes()) }

func (r *decoder) id() shardlog.BundleID {
	return shardlog.BundleID{Gateway: r.fixed(), Incarnation: r.fixed(), Number: r.uint()}
}

func (r *decoder) entry() shardlog.Entry {
	flags := r.byte()
	e := shardlog.Entry{Key: r.text(), Data: r.bytes()}
	if flags&hasHash != 0 {
		e.Hash = &shardlog.Hash{Hi: r.fixed(), Lo: r.fixed()}
	}
	if flags&hasMeta != 0 {
		e.Meta = r.bytes()
	}
	if flags&hasOrigin != 0 {
		e.Origin = time.UnixMilli(r.int()).UTC()
	}
	if flags&^(hasHash|hasMeta|hasOrigin) != 0 {
		r.fail()
	}
	return e
}

func (r *decoder) mutations() []shardlog.Mutation {
	var all []shardlog.Mutation
	for range r.count(3) {
		flags := r.byte()
		m := shardlog.Mutation{Space: shardlog.Space(r.text()), Key: r.text()}
		if flags&expects != 0 {
			m.Expect = shardlog.At(shardlog.Version(r.uint()))
		}
		if flags&deletes == 0 {
			m.Value = r.bytes()
		}
		if flags&^(expects|deletes) != 0 || r.bad {
			r.fail()
			return nil
		}
		all = append(all, m)
	}
	return all
}

// end answers Corrupt when the message was not read to its end.
func (r *decoder) end(op string) error {
	if r.bad || len(r.b) > 0 {
		return shardlog.Errorf(shardlog.Corrupt, op, "the message does not come out even")
	}
	return nil
}
