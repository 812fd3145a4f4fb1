package history

import (
	"fmt"
	"slices"
	"time"
)

// Law is what a history can break.
type Law string

// Laws, in the order of Check.
const (
	OneLog       Law = "gateways disagree about the log"     // copies differ, or their numbers do not rise
	NothingTwice Law = "a value is there twice"              //
	NothingNew   Law = "a value is there that nobody put"    // or one that was certainly refused
	NothingLost  Law = "an acknowledged record is lost"      // or has another number
	Committed    Law = "a record was read that is not there" // uncommitted, or with another number
	Forward      Law = "an iterator went back or skipped"    //
	Newest       Law = "latest was not the latest"           // an iterator began before what was stored, or behind what was not
	Linearizable Law = "the order is not linearizable"       // of puts, with what reads saw
	Decided      Law = "linearizability was not decided"     // within Patience
)

// Fault is one place where a history breaks a law.
type Fault struct {
	Law   Law
	Shard string
	Text  string
}

// String is the fault in one line.
func (f Fault) String() string { return fmt.Sprintf("%s: %s: %s", f.Shard, f.Law, f.Text) }

// Patience bounds how long Check looks for an order of one shard.
const Patience = time.Minute

// Check answers where the history breaks a law, nothing when it keeps them.
func (h *History) Check() []Fault {
	var all []Fault
	for _, shard := range h.shards() {
		c := &check{h: h, shard: shard, places: map[string]int{}, values: map[string]int{}}
		c.copies()
		c.puts()
		c.reads()
		c.latest()
		c.order()
		all = append(all, c.faults...)
	}
	return all
}

// shards are the names of all shards that occur, sorted.
func (h *History) shards() []string {
	seen := map[string]bool{}
	for _, p := range h.Puts {
		seen[p.Shard] = true
	}
	for _, c := range h.Copies {
		seen[c.Shard] = true
	}
	var names []string
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// check judges one shard.
type check struct {
	h      *History
	shard  string
	log    []Record       // the longest copy: what the shard is, at the end
	places map[string]int // of its numbers
	values map[string]int // of its values
	faults []Fault
}

func (c *check) fault(law Law, format string, args ...any) {
	c.faults = append(c.faults, Fault{law, c.shard, fmt.Sprintf(format, args...)})
}

// copies finds the log and compares what each gateway has of it.
func (c *check) copies() {
	for _, copy := range c.h.Copies {
		if copy.Shard == c.shard && len(copy.Records) > len(c.log) {
			c.log = copy.Records
		}
	}
	for _, copy := range c.h.Copies {
		if copy.Shard == c.shard && !slices.Equal(copy.Records, c.log) {
			c.fault(OneLog, "gateway %d has %d records, another %d; they part at %d", copy.Gateway, len(copy.Records), len(c.log), parting(copy.Records, c.log))
		}
	}
	for place, r := range c.log {
		if place > 0 && compare(c.log[place-1].Number, r.Number) >= 0 {
			c.fault(OneLog, "number %s does not rise above %s before it", r.Number, c.log[place-1].Number)
		}
		if before, twice := c.values[r.Value]; twice {
			c.fault(NothingTwice, "%s has the numbers %s and %s", r.Value, c.log[before].Number, r.Number)
			continue
		}
		c.places[r.Number], c.values[r.Value] = place, place
	}
}

// parting is the first place where two logs differ.
func parting(a, b []Record) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// puts holds what clients were told against the log.
func (c *check) puts() {
	known := map[string]bool{}
	for _, p := range c.h.Puts {
		if p.Shard != c.shard {
			continue
		}
		known[p.Value] = true
		place, there := c.values[p.Value]
		switch {
		case p.Outcome == Stored && !there:
			c.fault(NothingLost, "%s was stored as %s at %v", p.Value, p.Number, p.Ended)
		case p.Outcome == Stored && c.log[place].Number != p.Number:
			c.fault(NothingLost, "%s was stored as %s at %v, and is %s", p.Value, p.Number, p.Ended, c.log[place].Number)
		case p.Outcome == Refused && there:
			c.fault(NothingNew, "%s was refused at %v (%s), and is %s", p.Value, p.Ended, p.Error, c.log[place].Number)
		}
	}
	for _, r := range c.log {
		if !known[r.Value] {
			c.fault(NothingNew, "%q is %s", r.Value, r.Number)
		}
	}
}

// reads follows every iterator along the log.
func (c *check) reads() {
	next := map[int]int{} // the place each iterator reads next; Latest has none before its first record
	for _, i := range c.h.Iterators {
		if i.Shard != c.shard {
			continue
		}
		place, there := c.places[i.Number]
		switch {
		case i.Start == Horizon:
			next[i.ID] = 0
		case i.Start == After && there:
			next[i.ID] = place + 1
		case i.Start == After:
			c.fault(Committed, "iterator %d of %s begins after %s", i.ID, i.Client, i.Number)
		}
	}
	owner := c.iterators()
	for _, r := range c.h.Reads {
		if owner[r.Iterator].Shard == c.shard {
			c.page(r, owner[r.Iterator], next)
		}
	}
}

func (c *check) page(r Read, i Iterator, next map[int]int) {
	for _, record := range r.Records {
		place, there := c.places[record.Number]
		if !there || c.log[place].Value != record.Value {
			c.fault(Committed, "%s as %s, by %s through gateway %d at %v", record.Value, record.Number, i.Client, r.Gateway, r.Ended)
			continue
		}
		if want, follows := next[i.ID]; follows && place != want {
			c.fault(Forward, "iterator %d of %s came to place %d instead of %d, through gateway %d at %v", i.ID, i.Client, place, want, r.Gateway, r.Ended)
		}
		next[i.ID] = place + 1
	}
}

// latest looks where iterators of that kind began: behind every record that
// was stored before their call, and behind none that was put after it.
func (c *check) latest() {
	puts := c.byPlace()
	first := map[int]Record{}
	for _, r := range c.h.Reads {
		if _, begun := first[r.Iterator]; !begun && len(r.Records) > 0 {
			first[r.Iterator] = r.Records[0]
		}
	}
	for _, i := range c.h.Iterators {
		place, there := c.places[first[i.ID].Number]
		if i.Shard != c.shard || i.Start != Latest || !there {
			continue
		}
		for later := place; later < len(puts); later++ {
			if p := puts[later]; p.Outcome == Stored && p.Ended < i.Called {
				c.fault(Newest, "iterator %d of %s, called at %v, began at place %d: %s at %d was stored at %v", i.ID, i.Client, i.Called, place, p.Value, later, p.Ended)
				break
			}
		}
		if place > 0 && puts[place-1].Called > i.Ended {
			c.fault(Newest, "iterator %d of %s, which was there at %v, began at place %d: %s before it was put at %v", i.ID, i.Client, i.Ended, place, puts[place-1].Value, puts[place-1].Called)
		}
	}
}

// byPlace are the puts of the log's records, in their order.
func (c *check) byPlace() []Put {
	puts := make([]Put, len(c.log))
	for _, p := range c.h.Puts {
		if place, there := c.values[p.Value]; there && p.Shard == c.shard {
			puts[place] = p
		}
	}
	return puts
}

func (c *check) iterators() map[int]Iterator {
	all := map[int]Iterator{}
	for _, i := range c.h.Iterators {
		all[i.ID] = i
	}
	return all
}
