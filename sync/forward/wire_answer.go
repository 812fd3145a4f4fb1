package forward

import (
	"errors"
	"time"

	"headgate/shardlog"
)

// verdict is how an answer begins: whether the message was dealt with.
type verdict byte

const (
	done       verdict = iota // it was; the rest says how
	notLeading                // not the leader, or not in that term: nothing was taken
	busy                      // too much of this peer is in progress: nothing was taken
	malformed                 // nothing was taken
)

// outcome is what became of one Put of a message.
type outcome struct {
	taken   shardlog.Taken
	err     error
	applied uint64 // by the leader when it answered
}

func encodeRefusal(v verdict) []byte { return []byte{wireVersion, byte(v)} }

func encodeOutcomes(applied uint64, all []outcome) []byte {
	w := encoder{[]byte{wireVersion, byte(done)}}
	w.uint(applied)
	w.uint(uint64(len(all)))
	for _, o := range all {
		w.fault(o.err)
		if o.err == nil {
			w.taken(o.taken)
		}
	}
	return w.b
}

func (w *encoder) taken(t shardlog.Taken) {
	w.uint(t.Index)
	w.uint(uint64(len(t.Results)))
	for _, r := range t.Results {
		w.fault(r.Err)
		w.uint(uint64(r.Shard.Stream))
		w.uint(uint64(r.Shard.Number))
		w.uint(r.Number.Created)
		w.uint(uint64(r.Number.Shard))
		w.uint(uint64(r.Number.Index))
		w.uint(r.Number.Stamp)
	}
}

// fault writes an error, zero for none.
func (w *encoder) fault(err error) {
	if err == nil {
		w.byte(0)
		return
	}
	e := &shardlog.Error{Kind: shardlog.KindOf(err), RetryAfter: shardlog.RetryAfter(err), Err: err}
	if own, ok := err.(*shardlog.Error); ok {
		e = own
	}
	w.byte(1 + byte(e.Kind))
	w.text(e.Op)
	w.text(string(e.Stream))
	w.int(int64(e.RetryAfter))
	shard := uint64(0)
	if e.Shard != nil {
		shard = 1 + (uint64(e.Shard.Stream)<<32 | uint64(e.Shard.Number))
	}
	w.uint(shard)
	text := ""
	if e.Err != nil {
		text = e.Err.Error()
	}
	w.text(text[:min(len(text), maxFault)])
}

// maxFault is how much of an error's text travels.
const maxFault = 512

// openAnswer is an answer whose verdict has been read.
func openAnswer(b []byte) (verdict, *decoder) {
	r := &decoder{b: b}
	if r.byte() != wireVersion {
		r.fail()
	}
	v := verdict(r.byte())
	if r.bad || v > malformed {
		r.fail()
		return malformed, r
	}
	return v, r
}

func (r *decoder) outcomes() []outcome {
	applied, n := r.uint(), r.count(1)
	all := make([]outcome, 0, min(n, messagePuts))
	for range n {
		if r.bad {
			return nil
		}
		o := outcome{err: r.fault(), applied: applied}
		if o.err == nil {
			o.taken = r.taken()
		}
		all = append(all, o)
	}
	return all
}

func (r *decoder) taken() shardlog.Taken {
	t := shardlog.Taken{Index: r.uint()}
	n := r.count(7)
	t.Results = make([]shardlog.Result, 0, n)
	for range n {
		if r.bad {
			return t
		}
		res := shardlog.Result{Err: r.fault()}
		res.Shard = shardlog.ShardID{Stream: shardlog.StreamID(r.small()), Number: r.small()}
		res.Number = shardlog.SequenceNumber{Created: r.uint(), Shard: r.small(), Index: shardlog.Seq(r.uint()), Stamp: r.uint()}
		t.Results = append(t.Results, res)
	}
	return t
}

func (r *decoder) fault() error {
	kind := r.byte()
	if kind == 0 {
		return nil
	}
	e := &shardlog.Error{Kind: shardlog.Kind(kind - 1), Op: r.text(), Stream: shardlog.StreamName(r.text()), RetryAfter: time.Duration(r.int())}
	if shard := r.uint(); shard > 0 {
		shard--
		e.Shard = &shardlog.ShardID{Stream: shardlog.StreamID(shard >> 32), Number: uint32(shard)}
	}
	if text := r.text(); text != "" {
		e.Err = errors.New(text)
	}
	return e
}
