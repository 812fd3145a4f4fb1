package forward

import (
	"time"

	"headgate/shardlog"
)

func encodeOrder(term uint64, o order) []byte {
	w := encoder{[]byte{wireVersion}}
	w.uint(term)
	w.byte(byte(o.op))
	switch o.op {
	case opCreate, opDelete, opRetention:
		w.text(string(o.spec.Name))
		w.int(int64(o.spec.Shards))
		w.int(int64(o.spec.Retention))
		w.byte(byte(o.spec.Class))
		if o.spec.RecordKiB != 0 { // else as a release before it could be chosen reads it
			w.int(int64(o.spec.RecordKiB))
		}
	case opRecordSize:
		w.text(string(o.spec.Name))
		w.int(int64(o.spec.RecordKiB))
	case opSplit, opMerge:
		for _, s := range o.shards {
			w.uint(uint64(s.Stream))
			w.uint(uint64(s.Number))
		}
		w.uint(o.start.Hi)
		w.uint(o.start.Lo)
	case opMutate:
		w.mutations(o.changes)
	case opConcede:
		w.mutations(o.changes)
		w.uint(uint64(len(o.gaps)))
		for _, g := range o.gaps {
			w.gap(g)
		}
	}
	return w.b
}

func (w *encoder) gap(g shardlog.Gap) {
	w.text(string(g.Stream))
	w.uint(uint64(g.Shard.Stream))
	w.uint(g.Records)
	w.uint(g.Bytes)
	w.text(string(g.Reason))
	w.int(g.At.UnixMilli())
}

// decodeOrder reads an order, which aliases b. Kind Corrupt.
func decodeOrder(b []byte) (term uint64, o order, err error) {
	r := decoder{b: b}
	if r.byte() != wireVersion {
		r.fail()
	}
	term, o.op = r.uint(), op(r.byte())
	switch o.op {
	case opCreate, opDelete, opRetention:
		o.spec.Name = shardlog.StreamName(r.text())
		o.spec.Shards = int(r.int())
		o.spec.Retention = time.Duration(r.int())
		o.spec.Class = shardlog.Class(r.byte())
		if len(r.b) > 0 {
			o.spec.RecordKiB = int(r.int())
		}
	case opRecordSize:
		o.spec.Name = shardlog.StreamName(r.text())
		o.spec.RecordKiB = int(r.int())
	case opSplit, opMerge:
		for i := range o.shards {
			o.shards[i] = shardlog.ShardID{Stream: shardlog.StreamID(r.small()), Number: r.small()}
		}
		o.start = shardlog.Hash{Hi: r.uint(), Lo: r.uint()}
	case opMutate:
		o.changes = r.mutations()
	case opConcede:
		o.changes = r.mutations()
		for range r.count(6) {
			o.gaps = append(o.gaps, r.gap())
		}
	default:
		r.fail()
	}
	return term, o, r.end("decode order")
}

func (r *decoder) gap() shardlog.Gap {
	return shardlog.Gap{Stream: shardlog.StreamName(r.text()), Shard: shardlog.ShardID{Stream: shardlog.StreamID(r.small())},
		Records: r.uint(), Bytes: r.uint(), Reason: shardlog.Reason(r.text()), At: time.UnixMilli(r.int()).UTC()}
}
