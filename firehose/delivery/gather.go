package delivery

import (
	"context"
	"iter"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// pageBudget is how much of a shard is in memory at a time. It is small, for
// all shards may read at once.
var pageBudget = shardlog.Budget{Records: 1000, Bytes: 256 << 10}

// settleTime lies between looks at a shard whose batch is not full: records
// come much more often than batches go.
const settleTime = time.Second

// gather reads a stretch until the next batch is full, or its oldest record is
// as old as the interval. It keeps sums, not records.
func (ln *lane) gather(ctx context.Context, g stretch) (*tally, error) {
	codecs, err := ln.d.codecs(ln.d.c.Spec.format())
	if err != nil {
		return nil, err
	}
	t := newTally(g.from, codecs, ln)
	t.stale = ln.d.c.Spec.Stale.before(time.Now())
	cursor := shardlog.Cursor{Next: g.from, Pinned: true}
	var due time.Time
	for {
		page, err := ln.d.c.Reader.Read(ctx, ln.shard.ID, cursor, pageBudget)
		if err != nil {
			return nil, err
		}
		if g.to > 0 {
			page.Records = within(page.Records, g.to-1)
		}
		full, err := ln.takePage(ctx, t, page)
		if err != nil || full {
			return t, err
		}
		if len(page.Gaps) > 0 {
			t.until = max(t.until, page.Next.Next-1)
		}
		if g.to > 0 && page.Next.Next >= g.to {
			t.until = g.to - 1
			return t, nil
		}
		if due.IsZero() && t.end() > 0 {
			due = ln.due(t)
		}
		cursor = page.Next
		if page.End {
			if t.end() == 0 {
				return nil, errEnd
			}
			return t, nil
		}
		if !page.Tip {
			continue
		}
		if g.live && t.end() > 0 {
			return t, nil
		}
		if timeIsUp, err := ln.wait(ctx, cursor.Next, due); err != nil || timeIsUp {
			return t, err
		}
	}
}

// due is when the batch is sealed at the latest: an interval after its oldest
// record arrived, as far as the clocks can be believed.
func (ln *lane) due(t *tally) time.Time {
	interval, age := ln.d.c.Spec.interval(), time.Duration(0)
	if !t.oldest.IsZero() {
		age = min(max(time.Since(t.oldest), 0), interval)
		ln.oldest(t.oldest)
	}
	return time.Now().Add(interval - age)
}

// wait waits for the next record, or until due.
func (ln *lane) wait(ctx context.Context, next shardlog.Seq, due time.Time) (timeIsUp bool, err error) {
	if due.IsZero() {
		ln.oldest(time.Time{})
		return false, ln.d.c.Reader.Wait(ctx, ln.shard.ID, next)
	}
	until, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	err = ln.d.c.Reader.Wait(until, ln.shard.ID, next)
	if err == nil {
		err = pause(until, settleTime)
	}
	if err != nil && ctx.Err() == nil && until.Err() != nil {
		return true, nil
	}
	return false, err
}

// takePage adds a page's records until the batch is full.
func (ln *lane) takePage(ctx context.Context, t *tally, page shardlog.Page) (full bool, err error) {
	all, err := transformed(ctx, ln.d.c.Transform, page.Records)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		if full, err := ln.take(t, s); err != nil || full {
			return full, err
		}
	}
	bytes, count := ln.d.limit.now()
	return t.data.bytes >= bytes || t.data.count >= count || t.seen >= maxBatchRecords || len(t.refused) >= maxRefused, nil
}

// take adds one source with all that became of it; full means that it belongs
// to the next batch.
func (ln *lane) take(t *tally, s source) (full bool, err error) {
	if !t.empty() && (ln.apart(t, s.Record) || t.seen >= maxBatchRecords || len(t.refused) >= maxRefused) {
		return true, nil
	}
	if late(s.Record, t.stale) {
		return false, ln.leave(t, s)
	}
	if s.why != nil {
		return false, t.reject(s.Record, refuse(s.Seq, s.why.Code, s.why.Message, 1, time.Now()))
	}
	frames, err := t.framed(s)
	if err != nil {
		return false, t.reject(s.Record, refuse(s.Seq, codeEncode, err.Error(), 1, time.Now()))
	}
	if frames.partitions, err = ln.partitions(s); err != nil {
		return false, t.reject(s.Record, refuse(s.Seq, codeKeys, err.Error(), 1, time.Now()))
	}
	if frames.exceed(ln.d.c.Sink.Caps()) {
		return false, t.reject(s.Record, refuse(s.Seq, codeTooLarge, "record is larger than the destination takes", 1, time.Now()))
	}
	bytes, count := ln.d.limit.now()
	if t.data.count > 0 && frames.count() > 0 && (t.data.bytes+int64(len(frames.content)) > bytes || t.data.count+frames.count() > count) {
		return true, nil
	}
	if t.crowded(frames) {
		return true, nil
	}
	t.take(s, frames)
	return false, nil
}

// apart reports whether a record belongs under another prefix than the batch.
// Up to the interval it may come along, as it would have live; but a backlog
// of weeks must not end in the folder of its first hour.
func (ln *lane) apart(t *tally, r firehose.Record) bool {
	return r.Arrived.Sub(t.oldest) > ln.d.c.Spec.interval() && !ln.d.namer.prefixes.data.sameTime(t.oldest, r.Arrived)
}

// retally sums up a range anew, less the records that are refused. It ends
// before last when a batch cannot hold what the range comes to now.
func (ln *lane) retally(ctx context.Context, in intent, last shardlog.Seq, refused []refusal) (*tally, error) {
	codecs, err := ln.d.codecs(in.Format)
	if err != nil {
		return nil, err
	}
	t := newTally(in.From, codecs, ln)
	t.stale = in.Stale
	known := intent{Refused: refused}
	for s, err := range ln.sources(ctx, ln.transform(in), in.From, last) {
		if err != nil {
			return nil, err
		}
		if why, bad := known.refused(s.Seq); bad && len(t.refused) < maxRefused {
			if err := t.reject(s.Record, why); err != nil {
				return nil, err
			}
			continue
		}
		if full, err := ln.take(t, s); err != nil || full {
			return t, err
		}
	}
	t.until = last
	return t, nil
}

// batch is one object of an intent, as a sink takes it. It holds the records
// that were refused, as they lie in the log, or what became of the others.
func (ln *lane) batch(in intent, o object, retried bool) *firehose.Batch {
	p := o.part
	return &firehose.Batch{
		ID: p.ID, Object: p.Object, Stream: ln.d.c.Spec.Stream, Shard: ln.shard.ID, Source: ln.d.namer.source(ln.shard.ID), First: in.First, Last: in.Last, Version: in.Version,
		Arrived: in.oldest(), ArrivedLast: in.newest(), Count: p.Count, Bytes: p.Bytes, SHA256: p.SHA256, Missing: in.Missing,
		Retried: retried, Encoder: o.encoder,
		Records: func(ctx context.Context) iter.Seq2[firehose.Record, error] {
			switch {
			case o.refused:
				return ln.refused(ctx, in)
			case o.held != nil:
				return each(o.held[p.Partition])
			}
			return ln.of(p, ln.accepted(ctx, in))
		},
	}
}

// refused reads the records of an intent that go to the error output.
func (ln *lane) refused(ctx context.Context, in intent) iter.Seq2[firehose.Record, error] {
	return func(yield func(firehose.Record, error) bool) {
		for s, err := range ln.sources(ctx, nil, in.From, in.Last) {
			if _, bad := in.refused(s.Seq); err == nil && !bad {
				continue
			}
			if !yield(s.Record, err) {
				return
			}
		}
	}
}

// accepted reads what became of the records of an intent that are not refused.
func (ln *lane) accepted(ctx context.Context, in intent) iter.Seq2[firehose.Record, error] {
	return func(yield func(firehose.Record, error) bool) {
		for s, err := range ln.sources(ctx, ln.transform(in), in.From, in.Last) {
			if err != nil {
				yield(firehose.Record{}, err)
				return
			}
			if _, bad := in.refused(s.Seq); bad || late(s.Record, in.Stale) {
				continue
			}
			for _, r := range s.out {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}
