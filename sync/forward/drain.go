package forward

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/shardlog"
)

const (
	drainWidth = 32      // bundles on their way out of the spool
	readBytes  = 1 << 20 // of rows read at once
	drainBytes = 8 << 20 // of rows that were read and not dropped yet, unless one alone is larger
)

// drain brings what the spool holds to the leader, whenever there is one and
// something to bring, until ctx ends.
func (f *Carrier) drain(ctx context.Context) error {
	for wait := leastRetry; ; {
		f.mu.Lock()
		changed, ready := f.changed, f.ready()
		f.mu.Unlock()
		idle := time.Hour
		if ready {
			if err := f.session(ctx); err == nil {
				wait = leastRetry
				continue
			} else if ctx.Err() == nil {
				f.c.Log.Warn("the spool is drained later", "error", err)
			}
			idle, wait = wait, min(2*wait, mostRetry)
		}
		if !sleep(ctx, idle, nil, changed) {
			return nil
		}
	}
}

// ready reports whether a session has something to do. The caller holds mu.
func (f *Carrier) ready() bool {
	if f.iso.isolated || !f.iso.lost.IsZero() || f.queue.writing {
		return false
	}
	if f.queue.some() || f.owes {
		return true
	}
	for _, o := range f.retired {
		if len(o.open) == 0 {
			return true
		}
	}
	return false
}

// session drains the rows that are there now, and ends early when isolation
// begins. What has its answer is dropped; the rest keeps its number.
func (f *Carrier) session(ctx context.Context) error {
	f.front.Lock()
	defer f.front.Unlock()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.mu.Lock()
	if !f.ready() {
		f.mu.Unlock()
		return nil
	}
	f.endSession = stop
	first, last := f.queue.first, f.queue.last
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.endSession = nil
	}()
	owed := f.concede(ctx)
	if err := f.drainRows(ctx, first, last); err != nil {
		return err
	}
	f.settleRetired(ctx)
	return owed
}

// drainRows brings rows to the leader, some bundles at once, each after those
// before it that share a key of a stream or a cell of state.
func (f *Carrier) drainRows(ctx context.Context, next, last uint64) error {
	if next > last {
		return nil
	}
	f.draining.Store(true)
	defer f.draining.Store(false)
	w := &window{f: f, room: make(chan struct{}, 1), after: map[uint64]*errand{}, seed: maphash.MakeSeed(), total: f.before()}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(drainWidth)
	for next <= last && ctx.Err() == nil {
		found, err := f.read(next, readBytes)
		if err != nil {
			_ = g.Wait()
			return err
		}
		if len(found) == 0 {
			w.vanish(next, last, f.total())
			break
		}
		for _, r := range found {
			if r.Number > last || !w.waitForRoom(ctx) {
				break
			}
			for _, e := range w.open(next, r) {
				g.Go(func() error { return w.run(ctx, e) })
			}
			next = r.Number + 1
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// window is what a session has read and not dropped yet.
type window struct {
	f     *Carrier
	seed  maphash.Seed
	after map[uint64]*errand // owned by the reader: the last errand with a key or cell
	total uint64             // owned by the reader: records of all rows read, as the last one has it

	room chan struct{} // rows have been dropped

	mu    sync.Mutex
	rows  []*transit // guarded by mu, in order
	bytes int        // guarded by mu: of those rows
}

// transit is a row on its way out.
type transit struct {
	number uint64
	row    row
	bytes  int // of its entries
	left   int // guarded by window.mu: errands that are not done
}

// errand is one item on its way out.
type errand struct {
	item
	of     *transit
	before []*errand // must be done first
	second bool      // the second series of its numbers
	done   chan struct{}
}

// open makes the errands of a row, which should be the next. One that cannot
// be read is given up, and so are those before it that are missing.
func (w *window) open(next uint64, found Row) []*errand {
	r, err := decodeRow(found.Bytes)
	if err != nil {
		r = w.salvage(found, err)
	}
	if found.Number > next {
		w.vanish(next, found.Number-1, max(r.total, r.records())-r.records())
	}
	w.total = max(w.total, r.total)
	t := &transit{number: found.Number, row: r, left: len(r.items)}
	for i := range r.items {
		t.bytes += weigh(r.items[i].entries)
	}
	w.mu.Lock()
	w.rows, w.bytes = append(w.rows, t), w.bytes+t.bytes
	w.mu.Unlock()
	var errands []*errand
	for _, it := range r.items {
		e := &errand{item: it, of: t, done: make(chan struct{})}
		w.line(e)
		errands = append(errands, e)
	}
	if len(errands) == 0 {
		w.finish()
	}
	return errands
}

// waitForRoom holds the reader back while what it has read is much; false when
// ctx has ended. Rows leave in order, and each goes on without those behind it.
func (w *window) waitForRoom(ctx context.Context) bool {
	for ctx.Err() == nil {
		w.mu.Lock()
		full := w.bytes >= drainBytes
		w.mu.Unlock()
		if !full {
			return true
		}
		select {
		case <-w.room:
		case <-ctx.Done():
		}
	}
	return false
}

// line puts an errand behind those that share something with it.
func (w *window) line(e *errand) {
	seen := map[*errand]bool{e: true}
	stand := func(place uint64) {
		if b := w.after[place]; b != nil && !seen[b] {
			seen[b] = true
			e.before = append(e.before, b)
		}
		w.after[place] = e
	}
	for i := range e.entries {
		stand(w.hash(string(e.stream), e.entries[i].Key))
	}
	for _, m := range e.with {
		stand(w.hash(string(m.Space)+"\x00", m.Key))
	}
}

func (w *window) hash(kind, key string) uint64 {
	var h maphash.Hash
	h.SetSeed(w.seed)
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(kind)))
	_, _ = h.Write(size[:])
	_, _ = h.WriteString(kind)
	_, _ = h.WriteString(key)
	return h.Sum64()
}

// run does an errand in its turn.
func (w *window) run(ctx context.Context, e *errand) error {
	for _, b := range e.before {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := w.bring(ctx, e); err != nil {
		return err
	}
	e.before, e.entries, e.with = nil, nil, nil // after still knows the errand
	close(e.done)
	w.mu.Lock()
	e.of.left--
	w.mu.Unlock()
	w.finish()
	return nil
}

// finish drops the rows at the front that are done.
func (w *window) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.rows) && w.rows[n].left == 0 {
		n++
	}
	if n == 0 {
		return
	}
	if err := w.f.c.Spool.Drop(w.rows[n-1].number); err != nil {
		w.f.c.Log.Warn("drop drained rows", "error", err)
		w.bytes = 0 // nobody may wait for what does not leave
		signal(w.room)
		return // they are drained again, and found to be stored
	}
	for _, t := range w.rows[:n] {
		w.f.counts.drained.Add(t.row.records())
		w.f.passed(t.number, t.row)
		w.f.spent(t.row)
		w.bytes -= t.bytes
	}
	w.rows = w.rows[n:]
	signal(w.room)
}

// settled is the number below which nothing of the errand's origin is left.
func (w *window) settled(e *errand) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.rows {
		for i := range t.row.items {
			of := e.id.Incarnation
			if e.second {
				of ^= secondSeries
			}
			if it := &t.row.items[i]; it.id.Incarnation == of && it.id.Gateway == e.id.Gateway {
				return it.settled
			}
		}
	}
	return e.settled
}

// vanish accounts for rows that the spool does not have any more. total is
// the count of records behind them.
func (w *window) vanish(from, to, total uint64) {
	f := w.f
	records := uint64(0)
	if total > w.total && f.counted() {
		records = total - w.total
	}
	w.total = max(w.total, total)
	f.c.Log.Error("rows of the spool are missing", "from", from, "to", to, "records", records)
	w.mu.Lock()
	if !slices.Contains(f.given.Damaged, to) {
		f.give(lost{Stream: unreadable, Reason: shardlog.Quarantined, Records: records, At: time.Now()})
		f.given.Damaged = append(f.given.Damaged, to)
		if err := f.saveGiven(); err != nil {
			f.c.Log.Error("note what is missing", "error", err)
		}
	}
	w.rows = append(w.rows, &transit{number: to, row: row{total: w.total}})
	w.mu.Unlock()
	w.finish()
}

// unreadable stands for the stream of entries of which nobody can tell any more.
const unreadable shardlog.StreamName = "_spool"

func (f *Carrier) counted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queue.counted
}

func (f *Carrier) total() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queue.total
}

// before is the count of records before the first row.
func (f *Carrier) before() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queue.dropped
}

// salvage is what can be read of a damaged row; the rest is accounted for.
func (w *window) salvage(found Row, cause error) row {
	f := w.f
	f.c.Log.Error("a row of the spool is damaged", "row", found.Number, "error", cause)
	r, counts, _, err := decodeHead(found.Bytes)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(f.given.Damaged, found.Number) {
		if err != nil {
			r, counts = row{}, nil
		}
		f.giveRow(r, counts, int64(len(found.Bytes)), shardlog.Quarantined, time.Now())
		f.given.Damaged = append(f.given.Damaged, found.Number)
		if err := f.saveGiven(); err != nil {
			f.c.Log.Error("note what is damaged", "error", err)
		}
	}
	r.items = nil
	return r
}
