package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"headgate/deploy/prove/proofs/histories/history"
)

// figures are what a round, or all rounds, came to.
type figures struct {
	rounds, stored, unknown, refused, pages, read, iterators int
	faults, errors                                           map[string]int
	fullEnds                                                 int
	silence, recovery                                        time.Duration // the longest without a stored put; until the site was whole again
	seconds                                                  float64
}

// count adds up a round.
func (f *figures) count(r *recorder, s *site) {
	f.rounds, f.faults, f.errors = 1, map[string]int{}, map[string]int{}
	var acknowledged []time.Duration
	for _, p := range r.history.Puts {
		switch p.Outcome {
		case history.Stored:
			f.stored++
			acknowledged = append(acknowledged, p.Ended)
		case history.Unknown:
			f.unknown++
			f.errors["put: "+p.Error]++
		case history.Refused:
			f.refused++
			f.errors["put: "+p.Error]++
		}
	}
	slices.Sort(acknowledged)
	for i := 1; i < len(acknowledged); i++ {
		f.silence = max(f.silence, acknowledged[i]-acknowledged[i-1])
	}
	f.iterators, f.pages = len(r.history.Iterators), len(r.history.Reads)
	for _, page := range r.history.Reads {
		f.read += len(page.Records)
	}
	for what, n := range r.errors {
		f.errors["read: "+what] += n
	}
	for _, e := range r.history.Events {
		if name, _, ok := strings.Cut(e.What, ": "); ok && slices.Contains(faultNames(), name) {
			f.faults[name]++
		}
	}
	for _, g := range s.gateways {
		g.mu.Lock()
		f.fullEnds += g.full
		g.mu.Unlock()
	}
}

func (f *figures) add(o *figures) {
	f.rounds, f.stored, f.unknown, f.refused = f.rounds+o.rounds, f.stored+o.stored, f.unknown+o.unknown, f.refused+o.refused
	f.pages, f.read, f.iterators, f.fullEnds = f.pages+o.pages, f.read+o.read, f.iterators+o.iterators, f.fullEnds+o.fullEnds
	f.silence, f.recovery, f.seconds = max(f.silence, o.silence), max(f.recovery, o.recovery), f.seconds+o.seconds
	if f.faults == nil {
		f.faults, f.errors = map[string]int{}, map[string]int{}
	}
	for name, n := range o.faults {
		f.faults[name] += n
	}
	for name, n := range o.errors {
		f.errors[name] += n
	}
}

// String is a round in a line.
func (f *figures) String() string {
	return fmt.Sprintf("%d stored, %d unknown, %d refused, %d read; faults %s; longest without a stored put %v, whole again after %v",
		f.stored, f.unknown, f.refused, f.read, list(f.faults), f.silence.Round(time.Millisecond), f.recovery.Round(time.Millisecond))
}

func (f *figures) print(o options) {
	fmt.Printf("rounds %d of %v with %d gateways, seeds from %d\n", f.rounds, o.span, o.gateways, o.seed)
	fmt.Printf("puts: stored %d, unknown %d, refused %d\n", f.stored, f.unknown, f.refused)
	fmt.Printf("reads: %d iterators, %d pages with records, %d records\n", f.iterators, f.pages, f.read)
	fmt.Printf("faults: %s; ends on a full disk %d\n", list(f.faults), f.fullEnds)
	fmt.Printf("errors that clients saw: %s\n", list(f.errors))
	fmt.Printf("longest without a stored put %v, longest until the site was whole again %v (%v of them to be sure)\n",
		f.silence.Round(time.Millisecond), f.recovery.Round(time.Millisecond), still)
}

func list(counts map[string]int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", name, counts[name]))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
