package forward

import "headgate/shardlog"

// wireVersion begins every message and every answer.
const wireVersion = 1

// MaxMessage is the most bytes of a call between gateways; answers are smaller.
const MaxMessage = maxPut + 1<<20 // one large Put with its mutations

// What travels together.
const (
	messageBytes = 512 << 10 // of Puts, unless one alone is larger
	messagePuts  = 256
)

// encodePut is a Put as it lies in a message: a copy, which borrows nothing.
func encodePut(n shardlog.Numbered) []byte {
	size := 64 + len(n.Stream)
	for i := range n.Entries {
		size += n.Entries[i].Size() + len(n.Entries[i].Meta) + 16
	}
	w := encoder{make([]byte, 0, size)}
	w.id(n.ID)
	w.uint(n.Settled)
	drained := byte(0)
	if n.Drained {
		drained = 1
	}
	w.byte(drained)
	w.text(string(n.Stream))
	w.uint(uint64(len(n.Entries)))
	for _, e := range n.Entries {
		w.entry(e)
	}
	w.mutations(n.With)
	return w.b
}

// encodePuts is the message of several encoded Puts.
func encodePuts(term uint64, puts [][]byte) []byte {
	size := 32
	for _, p := range puts {
		size += len(p) + 8
	}
	w := encoder{make([]byte, 0, size)}
	w.byte(wireVersion)
	w.uint(term)
	w.uint(uint64(len(puts)))
	for _, p := range puts {
		w.bytes(p)
	}
	return w.b
}

// decodePuts reads a message. The Puts alias it. Kind Corrupt.
func decodePuts(b []byte) (term uint64, puts []shardlog.Numbered, err error) {
	r := decoder{b: b}
	if r.byte() != wireVersion {
		r.fail()
	}
	term = r.uint()
	n := r.count(18)
	if n > messagePuts {
		r.fail()
	}
	for range n {
		inner := decoder{b: r.bytes()}
		p := inner.put()
		if inner.bad || len(inner.b) > 0 {
			r.fail()
		}
		if r.bad {
			break
		}
		puts = append(puts, p)
	}
	return term, puts, r.end("decode puts")
}

func (r *decoder) put() shardlog.Numbered {
	n := shardlog.Numbered{ID: r.id(), Settled: r.uint()}
	switch r.byte() {
	case 0:
	case 1:
		n.Drained = true
	default:
		r.fail()
	}
	n.Stream = shardlog.StreamName(r.text())
	count := r.count(3)
	n.Entries = make([]shardlog.Entry, 0, min(count, 1024))
	for range count {
		if r.bad {
			break
		}
		n.Entries = append(n.Entries, r.entry())
	}
	n.With = r.mutations()
	return n
}
