package videoapi

import (
	"context"
	"iter"
	"time"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// The clocks by which fragments are chosen.
const (
	byProducer = "PRODUCER_TIMESTAMP"
	byServer   = "SERVER_TIMESTAMP"
)

// fragment is what is known of one without its frames.
type fragment struct {
	number  shardlog.Seq
	start   int64 // of its earliest frame, by the producer's clock, milliseconds since 1970
	arrived int64 // when the log took its first part
	length  int64 // milliseconds
	bytes   int64
	take    int64
	end     int64 // of its latest frame
}

// when is the fragment's time by one of the clocks.
func (f fragment) when(clock string) int64 {
	if clock == byServer {
		return f.arrived
	}
	return f.start
}

// frameTime is how long the last frame lasts, in milliseconds.
const frameTime = 33

// fragments yields the fragments that begin at a place or behind it, in order,
// as far as they are stored now. What comes before the first is passed over.
func fragments(ctx context.Context, footage *chunk.Footage, from shardlog.Seq) iter.Seq2[fragment, error] {
	return func(yield func(fragment, error) bool) {
		var f fragment
		for p, err := range footage.Parts(ctx, from) {
			if err != nil {
				yield(f, err)
				return
			}
			if p.Key() {
				if f.number != 0 {
					if f.take == p.Take.Began {
						f.length = p.Start - f.start
					}
					if !yield(f, nil) {
						return
					}
				}
				f = fragment{number: p.Seq, start: p.Start, arrived: p.Arrived, take: p.Take.Began, end: p.Start}
			}
			f.bytes += int64(p.Bytes)
			f.end = max(f.end, p.End())
			f.length = f.end - f.start + frameTime
		}
		if f.number != 0 {
			yield(f, nil)
		}
	}
}

// place is where to begin reading for the fragments that begin at a time or
// later. There may be one before it, which begins earlier.
func (a *API) place(ctx context.Context, s shardlog.Stream, clock string, at int64) (shardlog.Seq, error) {
	if clock == byServer {
		cursor, err := a.config.Reader.Seek(ctx, s.Shards[len(s.Shards)-1].ID, time.UnixMilli(at))
		return cursor.Next, err
	}
	p, err := a.config.Footage(s.Name).Find(ctx, at)
	return p.Seq, err
}

// slack is how far behind the end of what is recorded a time may lie and still
// be within it.
const slack = int64(time.Second / time.Millisecond)

// containing is where the fragment begins that holds a time: the next one
// where none does.
func (a *API) containing(ctx context.Context, s shardlog.Stream, clock string, at int64) (shardlog.Seq, error) {
	footage := a.config.Footage(s.Name)
	if clock == byServer {
		next, err := a.place(ctx, s, clock, at)
		if err != nil {
			return 0, err
		}
		for p, err := range footage.Parts(ctx, next) {
			if err != nil || p.Key() {
				return p.Seq, err
			}
			key, err := footage.Key(ctx, p.Start)
			return key.Seq, err
		}
		return next, nil
	}
	p, err := footage.Find(ctx, at)
	if err != nil {
		return 0, err
	}
	if p.End()+slack < at {
		return p.Next, nil
	}
	key, err := footage.Key(ctx, at)
	return key.Seq, err
}
