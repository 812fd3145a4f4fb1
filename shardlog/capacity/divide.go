package capacity

import (
	"math/bits"
	"slices"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

// weight is a place on the ring with the load that it stands for.
type weight struct {
	hash shardlog.Hash
	load float64
}

// weigh makes of a sample what the whole stands for.
func (r Rules) weigh(l Load) []weight {
	all := make([]weight, len(l.Sample))
	for i, p := range l.Sample {
		each := float64(l.Records) / float64(len(l.Sample))
		all[i] = weight{p.Hash, each * r.share(1, p.Bytes)}
	}
	return all
}

// divide is where to split a range: in the middle when that parts the load
// about evenly, as Kinesis does, else where it parts it best. False when no
// place does: one key makes the load, and no split would help it.
func divide(r keyspace.Range, looks []look) (start shardlog.Hash, ok bool) {
	var all []weight
	total := 0.0
	for _, l := range looks {
		all = append(all, l.places...)
	}
	slices.SortFunc(all, func(a, b weight) int {
		switch {
		case a.hash.Less(b.hash):
			return -1
		case b.hash.Less(a.hash):
			return 1
		}
		return 0
	})
	for _, w := range all {
		total += w.load
	}
	if total == 0 {
		return start, false
	}
	if half := middle(r); allowed(r, half) && larger(all, half, total) <= even*total {
		return half, true
	}
	best, below := useless*total, 0.0
	for i, w := range all {
		if i > 0 && w.hash != all[i-1].hash && allowed(r, w.hash) {
			if left := max(below, total-below); left <= best {
				start, best, ok = w.hash, left, true
			}
		}
		below += w.load
	}
	return start, ok
}

// larger is the load of the half that has more when the second begins at start.
func larger(all []weight, start shardlog.Hash, total float64) float64 {
	below := 0.0
	for _, w := range all {
		if w.hash.Less(start) {
			below += w.load
		}
	}
	return max(below, total-below)
}

func allowed(r keyspace.Range, start shardlog.Hash) bool {
	_, _, err := keyspace.Split(r, start)
	return err == nil
}

// middle is the place halfway through a range, rounded up.
func middle(r keyspace.Range) shardlog.Hash {
	d := less(r.To, r.From)
	odd := d.Lo & 1
	lo, carry := bits.Add64(r.From.Lo, d.Lo>>1|d.Hi<<63, odd)
	hi, _ := bits.Add64(r.From.Hi, d.Hi>>1, carry)
	return shardlog.Hash{Hi: hi, Lo: lo}
}

// less is a - b.
func less(a, b shardlog.Hash) shardlog.Hash {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, _ := bits.Sub64(a.Hi, b.Hi, borrow)
	return shardlog.Hash{Hi: hi, Lo: lo}
}
