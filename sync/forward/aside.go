package forward

import (
	"context"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// spoolPace is the least time between two rows, unless one is full. It is
// twice the pace of the log, so that what comes one row after the other drains
// twice as fast as it came.
const spoolPace = 50 * time.Millisecond

// setAside writes what waits on the desk into the spool, a row at a time,
// until ctx ends.
func (f *Carrier) setAside(ctx context.Context) error {
	var b block.Builder
	var last time.Time
	for {
		slips, bytes := f.desk.load()
		wait := time.Duration(0)
		if slips == 0 {
			wait = time.Hour
		} else if bytes < rowBytes && f.isolated() {
			wait = time.Until(last.Add(spoolPace))
		}
		if wait > 0 {
			f.mu.Lock()
			changed := f.changed
			f.mu.Unlock()
			if !sleep(ctx, wait, f.desk.kick, changed) {
				f.clear(ctx.Err())
				return nil
			}
			continue
		}
		last = time.Now()
		f.write(f.desk.take(), &b)
	}
}

// sleep waits for the time or a signal; false when ctx has ended.
func sleep(ctx context.Context, wait time.Duration, kick, changed <-chan struct{}) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-kick:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func (f *Carrier) isolated() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.iso.isolated
}

// clear answers who still waits when Run ends.
func (f *Carrier) clear(cause error) {
	for batch := f.desk.take(); len(batch) > 0; batch = f.desk.take() {
		finish(batch, false, unavailable("spool", "", cause))
	}
}

func finish(batch []*slip, back bool, err error) {
	for _, s := range batch {
		s.back, s.err = back, err
		close(s.done)
	}
}

// write makes a row of the slips and answers them.
func (f *Carrier) write(batch []*slip, b *block.Builder) {
	if len(batch) == 0 {
		return
	}
	r, fresh, ok := f.compose(batch, time.Now())
	if !ok {
		finish(batch, true, nil)
		return
	}
	bytes, err := r.encode(b)
	if err == nil {
		err = f.makeRoom(int64(len(bytes)), r.at)
	}
	if err != nil && len(batch) > 1 && f.c.Spool.Stats().Bytes+leastRow < f.c.SpoolBytes {
		f.written(r, fresh, 0)
		f.write(batch[:len(batch)/2], b) // perhaps a part of it fits
		f.write(batch[len(batch)/2:], b)
		return
	}
	number := uint64(0)
	if err == nil {
		if number, err = f.c.Spool.Append([][]byte{bytes}); err != nil && shardlog.KindOf(err) != shardlog.Full {
			err = unknown("spool", "", err)
		}
	}
	f.written(r, fresh, number)
	if err != nil {
		f.counts.refused.Add(r.records())
	} else {
		f.counts.spooled.Add(r.records())
	}
	finish(batch, false, err)
}

// leastRow is less room than a row takes that is worth trying.
const leastRow = 1 << 10

// numbers are those that a row gave.
type numbers struct {
	of  *origin
	all []uint64
}

// compose makes a row of the slips. Those without a number share one of each
// stream, unless they bring changes. False when isolation is over.
func (f *Carrier) compose(batch []*slip, now time.Time) (r row, fresh numbers, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.iso.isolated {
		return row{}, numbers{}, false
	}
	r.at, fresh.of = now.UTC().Truncate(time.Millisecond), f.aside
	shared := map[shardlog.StreamName]int{}
	var origins []*origin // of the items
	for _, s := range batch {
		plain := s.origin == nil && len(s.n.With) == 0
		if at, ok := shared[s.n.Stream]; ok && plain {
			r.items[at].entries = append(r.items[at].entries, s.n.Entries...)
			continue
		}
		it, from := item{id: s.n.ID, stream: s.n.Stream, entries: s.n.Entries, with: s.n.With}, s.origin
		if from == nil {
			from = f.aside
			it.id = from.id(f.c.Gateway, from.take())
			fresh.all = append(fresh.all, it.id.Number)
		}
		if plain {
			it.entries = append([]shardlog.Entry(nil), it.entries...) // others join it
			shared[it.stream] = len(r.items)
		}
		r.items, origins = append(r.items, it), append(origins, from)
	}
	for i := range r.items {
		r.items[i].settled = origins[i].settled()
	}
	f.queue.hold(r.items, 1)
	f.queue.writing = true
	r.total = f.queue.total + r.records()
	return r, fresh, true
}

// written notes what became of a row: its number in the spool, or zero.
func (f *Carrier) written(r row, fresh numbers, number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := &f.queue
	q.writing = false
	for _, n := range fresh.all {
		fresh.of.settle(n)
	}
	if number == 0 {
		q.hold(r.items, -1)
		f.wake()
		return
	}
	if q.first > q.last {
		q.first, q.oldest = number, r.at
	}
	q.last, q.total = number, r.total
	f.wake()
}
