package forward

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"headgate/shardlog"
)

// Orphans is the stream of spooled entries that could not be stored where
// they belong, because their stream is gone. Their Meta tells which it was.
const Orphans shardlog.StreamName = "_orphans"

const orphanRetention = 30 * 24 * time.Hour

// refusals is how often an entry is certainly not stored, by a leader that
// could store others, until it is taken as refused.
const refusals = 5

// bring does one errand: it returns nil when the errand is done for good.
func (w *window) bring(ctx context.Context, e *errand) error {
	f := w.f
	refused := 0
	for wait := leastRetry; ; wait = min(2*wait, mostRetry) {
		taken, err := w.hand(ctx, e)
		switch {
		case err == nil:
			again, left := judge(e.entries, taken.Results, refused >= refusals)
			if !again && len(e.with) == 0 && !e.second {
				return w.second(ctx, e, left)
			}
			if !again {
				return w.orphan(ctx, e, left)
			}
			refused++
		case shardlog.KindOf(err) == shardlog.Expired:
			return nil // it had its answer, and only was not dropped
		case shardlog.KindOf(err) == shardlog.NotFound && e.stream != "":
			return w.orphanAll(ctx, e)
		case shardlog.KindOf(err) == shardlog.Conflict:
			return w.resolve(ctx, e)
		case shardlog.KindOf(err) == shardlog.Invalid:
			return w.orphan(ctx, e, e.entries)
		default:
			f.c.Log.Debug("spooled entries are tried again", "stream", e.stream, "error", err)
		}
		if err := pause(ctx, max(wait, shardlog.RetryAfter(err)), nil); err != nil {
			return err
		}
	}
}

// second brings entries that were refused under the errand's number: when that
// was tried before isolation their shard was throttled, and now they have been
// acknowledged. Their number is the same in another series that follows from
// the first, so that after a crash it is found again.
func (w *window) second(ctx context.Context, e *errand, left []shardlog.Entry) error {
	if len(left) == 0 {
		return nil
	}
	again := *e
	again.entries, again.second = left, true
	again.id.Incarnation ^= secondSeries
	return w.bring(ctx, &again)
}

const secondSeries = 0x9e3779b97f4a7c15

// hand hands an errand to whoever leads, under its number. Changes alone go
// with a stream's Puts too, because only those have numbers.
func (w *window) hand(ctx context.Context, e *errand) (shardlog.Taken, error) {
	stream := e.stream
	if stream == "" {
		all := w.f.c.Catalog.Streams()
		if len(all) == 0 {
			_, err := w.f.order(ctx, order{op: opMutate, changes: e.with})
			return shardlog.Taken{}, err
		}
		stream = all[0].Name
	}
	return w.f.hand(ctx, shardlog.Numbered{ID: e.id, Settled: w.settled(e), Stream: stream, Entries: e.entries, With: e.with, Drained: true})
}

func (f *Carrier) hand(ctx context.Context, n shardlog.Numbered) (shardlog.Taken, error) {
	if f.c.Leadership.Leading() {
		return f.c.Local.Take(ctx, n)
	}
	return f.carry(ctx, n)
}

// judge says whether some entry must be tried again, and which were refused
// for good.
func judge(entries []shardlog.Entry, results []shardlog.Result, patient bool) (again bool, refused []shardlog.Entry) {
	for i, r := range results {
		if r.Err == nil || i >= len(entries) {
			continue
		}
		switch shardlog.KindOf(r.Err) {
		case shardlog.Invalid:
			if entries[i].Check(shardlog.MaxRecordBytes) == nil { // else whoever put it has been told
				refused = append(refused, entries[i])
			}
		case shardlog.NotFound:
			refused = append(refused, entries[i])
		case shardlog.Unavailable:
			if !patient {
				return true, nil
			}
			refused = append(refused, entries[i])
		default:
			return true, nil
		}
	}
	return false, refused
}

// resolve deals with changes whose expectations do not hold. A Put that pairs
// each entry with a change is one of several messages, of which some are there
// already: a change whose value is the one found, or that expected none, marks
// a message that was stored before. Any other Put was there as a whole.
func (w *window) resolve(ctx context.Context, e *errand) error {
	f := w.f
	if len(e.entries) != len(e.with) {
		f.c.Log.Info("spooled entries were stored before", "stream", e.stream, "entries", len(e.entries))
		f.counts.duplicates.Add(uint64(max(len(e.entries), 1)))
		return nil
	}
	for i := range e.entries {
		if err := w.resolvePair(ctx, e, i); err != nil {
			return err
		}
	}
	return nil
}

func (w *window) resolvePair(ctx context.Context, e *errand, i int) error {
	f, change := w.f, e.with[i]
	if len(e.entries) == 1 {
		if version, checked := change.Expect.Wanted(); !checked || version == 0 {
			f.counts.duplicates.Add(1)
			return nil
		}
	}
	found, _, err := f.c.States.Get(ctx, change.Space, change.Key)
	switch {
	case err == nil && bytes.Equal(found, change.Value):
		f.counts.duplicates.Add(1)
		return nil
	case err != nil && shardlog.KindOf(err) != shardlog.NotFound:
		return err
	}
	if version, checked := change.Expect.Wanted(); checked && version != 0 {
		change.Expect = shardlog.Expect{} // a leftover that has changed since is overwritten all the same
	}
	one := *e
	one.entries, one.with = e.entries[i:i+1], []shardlog.Mutation{change}
	if len(e.entries) == 1 {
		return w.bring(ctx, &one) // nothing was stored under its number
	}
	return f.fresh(func(id shardlog.BundleID, settled uint64) error {
		one.id, one.settled = id, settled
		return w.bring(ctx, &one)
	})
}

// fresh lends a new number for a while.
func (f *Carrier) fresh(use func(id shardlog.BundleID, settled uint64) error) error {
	f.mu.Lock()
	o := f.direct
	n := o.take()
	settled := o.settled()
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		o.settle(n)
	}()
	return use(o.id(f.c.Gateway, n), settled)
}

// orphanAll moves an errand whose stream is gone to the orphans, under its own
// number: what was stored while there was the stream stays stored.
func (w *window) orphanAll(ctx context.Context, e *errand) error {
	if len(e.entries) == 0 {
		return nil
	}
	return w.adopt(ctx, e, e.id, e.entries)
}

// orphan moves entries that were refused to the orphans.
func (w *window) orphan(ctx context.Context, e *errand, refused []shardlog.Entry) error {
	if len(refused) == 0 {
		return nil
	}
	return w.f.fresh(func(id shardlog.BundleID, _ uint64) error { return w.adopt(ctx, e, id, refused) })
}

func (w *window) adopt(ctx context.Context, e *errand, id shardlog.BundleID, entries []shardlog.Entry) error {
	f := w.f
	n := shardlog.Numbered{ID: id, Stream: Orphans, Drained: true}
	for _, o := range entries {
		o.Meta = orphanMeta(e.stream, o.Meta)
		n.Entries = append(n.Entries, o)
	}
	for wait := leastRetry; ; wait = min(2*wait, mostRetry) {
		taken, err := f.hand(ctx, n)
		switch {
		case err == nil:
			again, left := judge(n.Entries, taken.Results, wait >= mostRetry)
			if !again {
				f.c.Log.Warn("spooled entries went to the orphans", "stream", e.stream, "entries", len(entries)-len(left))
				f.counts.orphans.Add(uint64(len(entries) - len(left)))
				return w.giveEntries(e.stream, left)
			}
		case shardlog.KindOf(err) == shardlog.Expired:
			return nil
		case shardlog.KindOf(err) == shardlog.Invalid:
			return w.giveEntries(e.stream, n.Entries)
		case shardlog.KindOf(err) == shardlog.NotFound:
			spec := shardlog.StreamSpec{Name: Orphans, Shards: 1, Retention: orphanRetention, Class: shardlog.Own}
			if _, err := f.order(ctx, order{op: opCreate, spec: spec}); err != nil && shardlog.KindOf(err) != shardlog.InUse {
				f.c.Log.Warn("make the stream of orphans", "error", err)
			}
		}
		if err := pause(ctx, wait, nil); err != nil {
			return err
		}
	}
}

// orphan is the Meta of an orphan.
type orphan struct {
	Stream shardlog.StreamName `json:"stream"`
	Meta   []byte              `json:"meta,omitempty"`
}

func orphanMeta(stream shardlog.StreamName, meta []byte) []byte {
	o := orphan{Stream: stream, Meta: meta}
	if len(meta) > shardlog.MaxMeta/2 {
		o.Meta = nil
	}
	b, _ := json.Marshal(o) // a struct of a string and bytes
	return b
}

var errNowhere = errors.New("not even the orphans take it")

// giveEntries accounts for entries that nothing takes.
func (w *window) giveEntries(stream shardlog.StreamName, entries []shardlog.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	f := w.f
	f.c.Log.Error("spooled entries are lost", "stream", stream, "entries", len(entries), "error", errNowhere)
	w.mu.Lock()
	defer w.mu.Unlock()
	f.give(lost{Stream: stream, Reason: shardlog.Quarantined, Records: uint64(len(entries)), Bytes: uint64(weigh(entries)), At: time.Now()})
	return f.saveGiven()
}

// spent notes the greatest number of each origin that has left the spool.
func (f *Carrier) spent(r row) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range r.items {
		id := r.items[i].id
		if id.Gateway != f.c.Gateway {
			continue
		}
		o := f.retired[id.Incarnation]
		if o == nil {
			o = newOrigin(id.Incarnation)
			f.retired[id.Incarnation] = o
		}
		o.next = max(o.next, id.Number+1)
	}
}

// settleRetired lets the log forget the origins that the spool has drained.
func (f *Carrier) settleRetired(ctx context.Context) {
	f.mu.Lock()
	var last []shardlog.BundleID // a number that nothing else has, of each
	if !f.queue.some() {
		for k, o := range f.retired {
			if len(o.open) > 0 {
				continue
			}
			delete(f.retired, k)
			if o.next > 1 {
				n := o.take()
				o.settle(n)
				last = append(last, o.id(f.c.Gateway, n))
			}
		}
	}
	f.mu.Unlock()
	for _, id := range last {
		f.settleAll(ctx, id, id.Number)
	}
}

// settleAll tells the log that all numbers below one have had their answer, by
// a change of state that changes nothing. That it may fail is no matter: the
// log bounds what it remembers.
func (f *Carrier) settleAll(ctx context.Context, id shardlog.BundleID, below uint64) {
	streams := f.c.Catalog.Streams()
	if len(streams) == 0 {
		return
	}
	nothing := shardlog.Mutation{Space: givenSpace, Key: "nothing"}
	n := shardlog.Numbered{ID: id, Settled: below, Stream: streams[0].Name, With: []shardlog.Mutation{nothing}, Drained: true}
	if _, err := f.hand(ctx, n); err != nil {
		f.c.Log.Debug("settle an origin", "error", err)
	}
}
