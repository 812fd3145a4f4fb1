package forward

import (
	"time"

	"headgate/shardlog"
)

// rows is what is known of the spool without reading it. It is guarded by
// Carrier.mu.
type rows struct {
	first, last uint64                      // numbers; none when first lies behind last
	old         uint64                      // rows up to it are of an earlier run: they may be of any stream
	held        map[shardlog.StreamName]int // bundles, also those on their way into the spool
	spaces      map[shardlog.Space]int      // changes, likewise
	writing     bool                        // rows are on their way into the spool
	total       uint64                      // records of all rows ever, as the last row has it
	dropped     uint64                      // records of all rows before the first
	counted     bool                        // total and dropped are right
	oldest      time.Time                   // when the first row was written; zero: not known
}

func (q *rows) some() bool { return q.first <= q.last || q.writing }

func (q *rows) isOld() bool { return q.first <= q.old }

// holds reports whether new Puts of the stream must wait.
func (q *rows) holds(stream shardlog.StreamName) bool { return q.isOld() || q.held[stream] > 0 }

// holdsAny reports whether new changes of these must wait.
func (q *rows) holdsAny(changes []shardlog.Mutation) bool {
	for _, m := range changes {
		if q.isOld() || q.spaces[m.Space] > 0 {
			return true
		}
	}
	return false
}

// hold counts items in, with by = 1, or out.
func (q *rows) hold(items []item, by int) {
	for i := range items {
		if items[i].stream != "" {
			add(q.held, items[i].stream, by)
		}
		for _, m := range items[i].with {
			add(q.spaces, m.Space, by)
		}
	}
}

func add[K comparable](counts map[K]int, k K, by int) {
	if counts[k] += by; counts[k] == 0 {
		delete(counts, k)
	}
}

// openSpool finds out where the spool begins and ends, and goes on with giving
// up rows if that was interrupted.
func (f *Carrier) openSpool() error {
	q := &f.queue
	q.counted = true
	q.held, q.spaces, q.first = map[shardlog.StreamName]int{}, map[shardlog.Space]int{}, 1
	if f.c.Spool == nil {
		return nil
	}
	through, err := f.openGiven()
	if err != nil {
		return err
	}
	if s := f.c.Spool.Stats(); through >= s.First {
		if err := f.c.Spool.Drop(min(through, s.Last)); err != nil {
			return err
		}
	}
	s := f.c.Spool.Stats()
	q.first, q.last, q.old = s.First, s.Last, s.Last
	if q.first > q.last {
		q.old = 0
		return nil
	}
	first, ok1 := f.peek(q.first)
	last, ok2 := f.peek(q.last)
	if q.counted = ok1 && ok2; q.counted {
		q.total, q.dropped, q.oldest = last.total, first.total-first.heads, first.at
	}
	return nil
}

// glance is what a row's head says.
type glance struct {
	row
	number uint64
	heads  uint64 // records
}

// read reads rows. What the spool has set aside because it is damaged is
// missing among them.
func (f *Carrier) read(from uint64, most int) ([]Row, error) {
	found, err := f.c.Spool.Read(from, most)
	if err != nil && shardlog.KindOf(err) == shardlog.Corrupt {
		err = nil // the spool said so in the log
	}
	return found, err
}

// peek reads one row's head; false when it cannot be read.
func (f *Carrier) peek(number uint64) (glance, bool) {
	found, err := f.read(number, 1)
	if err != nil || len(found) == 0 || found[0].Number != number {
		return glance{}, false
	}
	r, counts, _, err := decodeHead(found[0].Bytes)
	if err != nil {
		return glance{}, false
	}
	g := glance{row: r}
	for _, n := range counts {
		g.heads += uint64(n)
	}
	return g, true
}

// passed forgets a row that has left the spool.
func (f *Carrier) passed(number uint64, r row) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := &f.queue
	if number < q.first {
		return
	}
	if number > q.old {
		q.hold(r.items, -1)
	}
	q.first, q.oldest = number+1, time.Time{}
	q.dropped = max(q.dropped, r.total)
	if !q.some() { // and whatever a row held that could not be read
		clear(q.held)
		clear(q.spaces)
		q.dropped, q.counted = q.total, true
	}
	f.wake()
}
