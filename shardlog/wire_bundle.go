package shardlog

import "math"

// Bundles of one origin follow one another in most commands, and their numbers
// grow by little: the origin is written when it changes, numbers as the
// distance to the one before.
//
//	number of bundles
//	each: flags (1 byte), [gateway, incarnation (8 bytes each), settled],
//	      number, [from], places
const (
	bundleOrigin = 1 << iota // another origin, or settled moved: they follow; number counts from settled
	bundleFrom               // from follows
	bundleRuns               // places are in runs of equal ones
	bundleFlags  = 1<<iota - 1
)

func (w *wireWriter) bundles(all []Bundle) {
	w.uint(uint64(len(all)))
	var before Bundle
	for i, u := range all {
		runs := placeRuns(u.Places)
		flags := byte(0)
		if i == 0 || u.ID.Gateway != before.ID.Gateway || u.ID.Incarnation != before.ID.Incarnation || u.Settled != before.Settled {
			flags |= bundleOrigin
		}
		if u.From > 0 {
			flags |= bundleFrom
		}
		if runs*2 < len(u.Places) {
			flags |= bundleRuns
		}
		w.byte(flags)
		last := before.ID.Number
		if flags&bundleOrigin != 0 {
			w.fixed(u.ID.Gateway)
			w.fixed(u.ID.Incarnation)
			w.uint(u.Settled)
			last = u.Settled
		}
		w.int(int64(u.ID.Number - last))
		if flags&bundleFrom != 0 {
			w.uint(uint64(u.From))
		}
		w.places(u.Places, flags&bundleRuns != 0)
		before = u
	}
}

func placeRuns(places []uint32) (runs int) {
	for i, p := range places {
		if i == 0 || p != places[i-1] {
			runs++
		}
	}
	return runs
}

func (w *wireWriter) places(places []uint32, inRuns bool) {
	w.uint(uint64(len(places)))
	for i := 0; i < len(places); {
		j := i + 1
		for inRuns && j < len(places) && places[j] == places[i] {
			j++
		}
		w.uint(uint64(places[i] + 1))
		if inRuns {
			w.uint(uint64(j - i))
		}
		i = j
	}
}

func (r *wireReader) bundles() []Bundle {
	if r.version < 2 {
		return r.oldBundles()
	}
	var all []Bundle
	var before Bundle
	for range r.count(3) {
		flags := r.byte()
		if flags > bundleFlags || len(all) == 0 && flags&bundleOrigin == 0 {
			r.fail()
			return nil
		}
		u := Bundle{ID: before.ID, Settled: before.Settled}
		if flags&bundleOrigin != 0 {
			u.ID = BundleID{Gateway: r.fixed(), Incarnation: r.fixed()}
			u.Settled = r.uint()
			u.ID.Number = u.Settled
		}
		u.ID.Number += uint64(r.int())
		if flags&bundleFrom != 0 {
			u.From = r.small()
		}
		u.Places = r.places(r.uint(), flags&bundleRuns != 0)
		all, before = append(all, u), u
	}
	return all
}

// oldBundles reads those of version 1: one for each command, whose numbers
// followed one another, so that all before it are settled.
func (r *wireReader) oldBundles() []Bundle {
	var all []Bundle
	for range r.count(18) {
		u := Bundle{ID: BundleID{r.fixed(), r.fixed(), r.uint()}}
		n := r.uint()
		u.Places = r.places(n, r.byte() == 1)
		u.Settled = u.ID.Number
		all = append(all, u)
	}
	return all
}

// maxBundleEntries bounds what a few bytes of runs may unfold to.
const maxBundleEntries = 1 << 20

func (r *wireReader) places(n uint64, inRuns bool) []uint32 {
	if n > maxBundleEntries {
		r.fail()
	}
	if n == 0 || r.bad {
		return nil
	}
	places := make([]uint32, 0, min(n, uint64(len(r.b))*8))
	for uint64(len(places)) < n && !r.bad {
		place, times := r.uint(), uint64(1)
		if inRuns {
			times = r.uint()
		}
		if place > math.MaxUint32 || times == 0 || times > n-uint64(len(places)) {
			r.fail()
			return nil
		}
		for range times {
			places = append(places, uint32(place)-1)
		}
	}
	return places
}

func (w *wireWriter) gaps(all []Gap) {
	w.uint(uint64(len(all)))
	for _, g := range all {
		w.text(string(g.Stream))
		w.uint(uint64(g.Shard.Stream))
		w.uint(uint64(g.Shard.Number))
		w.uint(uint64(g.First))
		w.uint(uint64(g.Last))
		w.uint(g.Records)
		w.uint(g.Bytes)
		w.text(string(g.Reason))
		w.time(g.At)
	}
}

func (r *wireReader) gaps() []Gap {
	var all []Gap
	for range r.count(9) {
		all = append(all, Gap{
			Stream: StreamName(r.text()), Shard: ShardID{StreamID(r.small()), r.small()}, First: Seq(r.uint()), Last: Seq(r.uint()),
			Records: r.uint(), Bytes: r.uint(), Reason: Reason(r.text()), At: r.time(),
		})
	}
	return all
}
