package rules

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

// lane applies an action to the messages of one shard, in order.
type lane struct {
	pipe    *pipe
	stream  shardlog.Stream
	shard   shardlog.Shard
	parents []<-chan struct{} // shards that come before it
	done    chan struct{}     // closed when the shard is read to its end, or gone
	key     string            // of its place

	// Owned by run.
	loaded  bool
	version shardlog.Version // of the place; zero: there is none yet
	saved   shardlog.Seq     // as the place says
	savedAt time.Time
	most    int // records of the next Put

	next  atomic.Uint64 // the record to read next
	since atomic.Int64  // milliseconds: arrival of what it is at; zero: it waits for more
}

// Bounds of one step.
const (
	pageRecords = 500
	pageBytes   = 512 << 10
	maxRecords  = 250       // of one Put
	maxBytes    = 256 << 10 // of one Put, unless one record alone is larger
	saveEvery   = time.Minute
	firstPause  = 100 * time.Millisecond
	longPause   = 30 * time.Second
)

// run works until the shard is read to its end or ctx ends. Errors are tried
// again for ever.
func (ln *lane) run(ctx context.Context) {
	for _, parent := range ln.parents {
		select {
		case <-parent:
		case <-ctx.Done():
			return
		}
	}
	for wait := firstPause; ctx.Err() == nil; {
		before := ln.next.Load()
		ended, err := ln.step(ctx)
		switch {
		case err == nil && ended:
			close(ln.done)
			return
		case err == nil:
			wait = firstPause
			continue
		case ctx.Err() != nil:
		case errors.Is(err, errOver):
			<-ctx.Done()
			return
		case ln.gone(err):
			close(ln.done)
			return
		}
		if ctx.Err() != nil {
			break
		}
		ln.loaded = false // what is stored says where to go on
		ln.pipe.note(err)
		if ln.next.Load() > before {
			wait = firstPause
		}
		pause(ctx, max(wait, shardlog.RetryAfter(err)))
		wait = min(2*wait, longPause)
	}
	ln.leave(ctx)
}

// gone reports whether err comes of the source stream's deletion.
func (ln *lane) gone(err error) bool {
	if shardlog.KindOf(err) != shardlog.NotFound {
		return false
	}
	_, exists := ln.pipe.runner.c.Catalog.StreamByID(ln.shard.ID.Stream)
	return !exists
}

// leaveTime is how long a lane may take to write down where it is.
const leaveTime = 2 * time.Second

// leave writes down where it is, so that less is read again. What is lost
// thereby made no record.
func (ln *lane) leave(ctx context.Context) {
	if !ln.loaded || shardlog.Seq(ln.next.Load()) == ln.saved {
		return
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	_ = ln.save(late) // it is only convenient
}

// load finds where to go on.
func (ln *lane) load(ctx context.Context) error {
	states := ln.pipe.runner.c.States
	b, v, err := states.Get(ctx, shardlog.Cursors, ln.key)
	switch {
	case err == nil:
		c, err := shardlog.DecodeCursor(b)
		if err != nil {
			return err
		}
		ln.version, ln.saved = v, c.Next
	case shardlog.KindOf(err) == shardlog.NotFound:
		if err := ln.current(ctx); err != nil {
			return err
		}
		next, err := ln.first(ctx)
		if err != nil {
			return err
		}
		ln.version, ln.saved = 0, next
	default:
		return err
	}
	ln.next.Store(uint64(ln.saved))
	ln.loaded, ln.savedAt = true, time.Now()
	return nil
}

// errOver says that the rule was changed, disabled or deleted: its places went
// in the same command. Whoever changed it has the lane stopped soon.
var errOver = errors.New("the rule has changed")

// current makes sure that a place which is missing never was.
func (ln *lane) current(ctx context.Context) error {
	b, _, err := ln.pipe.runner.c.States.Get(ctx, Space, ln.pipe.row.Name)
	if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
		return err
	}
	var row Row
	if err != nil || json.Unmarshal(b, &row) != nil || row.ID != ln.pipe.row.ID || row.Disabled || ln.version != 0 {
		return errOver
	}
	return nil
}

// muchOlder is by how much a stream has to be older than the rule to be no new
// one, so that clocks do not decide.
const muchOlder = 5 * time.Minute

// first is where a shard begins that the rule had no place in when it was
// made: all of it is new, unless its stream came into reach later.
func (ln *lane) first(ctx context.Context) (shardlog.Seq, error) {
	row := ln.pipe.row
	if slices.Contains(row.Streams, ln.stream.ID) || ln.stream.Created.After(row.Since.Add(-muchOlder)) {
		return 0, nil
	}
	c, err := ln.pipe.runner.c.Reader.Seek(ctx, ln.shard.ID, row.Since)
	return c.Next, err
}

// step applies the action to one page, and waits for one if there is none.
func (ln *lane) step(ctx context.Context) (ended bool, err error) {
	if !ln.loaded {
		if err := ln.load(ctx); err != nil {
			return false, err
		}
	}
	next, reader := shardlog.Seq(ln.next.Load()), ln.pipe.runner.c.Reader
	ln.since.Store(0)
	if err := ln.wait(ctx, next); err != nil {
		return false, err
	}
	page, err := reader.Read(ctx, ln.shard.ID, shardlog.Cursor{Next: next, Pinned: true}, shardlog.Budget{Records: pageRecords, Bytes: pageBytes})
	if err != nil {
		return false, err
	}
	if len(page.Gaps) > 0 {
		ln.miss(page.Gaps)
	}
	if err := ln.page(ctx, page); err != nil {
		return false, err
	}
	ln.pipe.note(nil)
	if page.End || time.Since(ln.savedAt) > saveEvery {
		if err := ln.save(ctx); err != nil {
			return false, err
		}
	}
	return page.End, nil
}

// wait waits for a record. While there is none, the place is written down now
// and then, so that what the rule has passed over need not stay on the disk.
func (ln *lane) wait(ctx context.Context, next shardlog.Seq) error {
	if next == ln.saved {
		return ln.pipe.runner.c.Reader.Wait(ctx, ln.shard.ID, max(1, next))
	}
	some, cancel := context.WithTimeout(ctx, saveEvery)
	defer cancel()
	err := ln.pipe.runner.c.Reader.Wait(some, ln.shard.ID, max(1, next))
	if err != nil && some.Err() != nil && ctx.Err() == nil {
		return ln.save(ctx)
	}
	return err
}

func (ln *lane) miss(gaps []shardlog.Gap) {
	for _, g := range gaps {
		ln.pipe.count(Counts{Missed: g.Records})
		ln.pipe.runner.c.Log.Warn("records that a rule had not read were given up", "rule", ln.pipe.row.Name, "gap", g)
	}
}

// batch is records on their way into one stream, and what they are made of.
type batch struct {
	stream  shardlog.StreamName
	entries []shardlog.Entry
	bytes   int
	next    shardlog.Seq // behind the last message that is done with
	counts  Counts
}

// page applies the action to the records of a page.
func (ln *lane) page(ctx context.Context, page shardlog.Page) error {
	if len(page.Records) > 0 {
		ln.since.Store(page.Records[0].Arrived.UnixMilli())
	}
	b := batch{next: shardlog.Seq(ln.next.Load())}
	for _, r := range page.Records {
		made, c := ln.apply(r)
		if c.Passed > 0 {
			if !b.takes(made, ln.most) {
				if err := ln.put(ctx, b); err != nil {
					return err
				}
				b = batch{next: b.next}
			}
			b.stream, b.entries, b.bytes = made.stream, append(b.entries, made.entry), b.bytes+made.entry.Size()
		}
		b.counts.add(c)
		b.next = r.Seq + 1
	}
	b.next = max(b.next, page.Next.Next)
	if len(b.entries) > 0 {
		return ln.put(ctx, b)
	}
	ln.pipe.count(b.counts)
	ln.next.Store(uint64(b.next))
	return nil
}

// takes reports whether a record may go along.
func (b batch) takes(r record, most int) bool {
	return len(b.entries) == 0 || b.stream == r.stream && len(b.entries) < most && b.bytes+r.entry.Size() <= maxBytes
}

// apply makes the action's record of a record of the log, if Passed.
func (ln *lane) apply(r shardlog.Record) (made record, c Counts) {
	m, ok := ln.pipe.runner.c.Read(r)
	if !ok || !ln.pipe.program.sees(&m) {
		return made, c
	}
	c.Matched = 1
	made, ok, err := ln.pipe.action.make(&m)
	if err == nil && ok {
		largest := shardlog.DefaultRecordBytes
		if s, there := ln.pipe.runner.c.Catalog.Stream(made.stream); there {
			largest = s.LargestRecord()
		}
		err = made.entry.Check(largest)
	}
	switch {
	case err != nil:
		c.Failed = 1
		ln.pipe.refused(m.Topic, err)
	case ok:
		c.Passed = 1
	}
	return made, c
}

// put stores records and the new place in one command.
func (ln *lane) put(ctx context.Context, b batch) error {
	results, err := ln.pipe.runner.c.Writer.Put(ctx, b.stream, b.entries, cursorAt(ln.shard.ID, consumer(ln.pipe.row, ln.pipe.action), b.next, ln.expect()))
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}
	switch kind := shardlog.KindOf(err); {
	case err == nil:
	case kind == shardlog.Throttled: // so many at once there may never be room for
		ln.most = max(1, ln.most/2)
		return err
	case kind == shardlog.Invalid && len(b.entries) > 1: // one of them; the others go alone
		ln.most = 1
		return err
	case kind == shardlog.Invalid:
		ln.pipe.refused("", err)
		b.counts.Passed, b.counts.Failed = 0, b.counts.Failed+1
		ln.pipe.count(b.counts)
		ln.next.Store(uint64(b.next))
		return ln.save(ctx)
	default:
		return err
	}
	ln.most = min(maxRecords, 2*ln.most)
	ln.pipe.count(b.counts)
	return ln.moved(ctx, b.next)
}

func (ln *lane) expect() shardlog.Expect {
	if ln.version == 0 {
		return shardlog.Absent()
	}
	return shardlog.At(ln.version)
}

// save writes the place down.
func (ln *lane) save(ctx context.Context) error {
	next := shardlog.Seq(ln.next.Load())
	ln.savedAt = time.Now()
	if next == ln.saved && ln.version != 0 {
		return nil
	}
	err := ln.pipe.runner.c.States.Mutate(ctx, cursorAt(ln.shard.ID, consumer(ln.pipe.row, ln.pipe.action), next, ln.expect()))
	if err != nil {
		return err
	}
	return ln.moved(ctx, next)
}

// moved takes note of a place that was stored.
func (ln *lane) moved(ctx context.Context, next shardlog.Seq) error {
	ln.next.Store(uint64(next))
	ln.saved, ln.savedAt = next, time.Now()
	_, v, err := ln.pipe.runner.c.States.Get(ctx, shardlog.Cursors, ln.key)
	ln.version = v
	return err
}
