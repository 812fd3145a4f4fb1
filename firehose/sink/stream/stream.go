// Package stream delivers into a stream of this site: the error records of
// other deliveries stay here until somebody looks, and can be delivered
// themselves. It does not know what records mean.
package stream

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Space holds how far a sink has got: key stream/source, value the SHA-256 of
// the last batch's content and how many of its pieces are stored.
const Space shardlog.Space = "delivery.into"

// Config is a stream and the ways to it. All are needed.
type Config struct {
	Stream  shardlog.StreamName // made when it is missing
	Writer  shardlog.Writer
	Control shardlog.Control
	States  shardlog.States
}

const (
	pieceBytes = 512 << 10 // of entries that are stored at once, with what says so
	retention  = 30 * 24 * time.Hour
)

// Sink is a stream. What it is given again is there once.
type Sink struct{ c Config }

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if err := c.Stream.Check(); err != nil {
		return nil, err
	}
	if c.Writer == nil || c.Control == nil || c.States == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open stream sink", "a writer, a control and states are needed")
	}
	return &Sink{c}, nil
}

// Caps has no limits: what is too large for one record becomes two.
func (s *Sink) Caps() firehose.Caps { return firehose.Caps{} }

// String is the stream.
func (s *Sink) String() string { return "stream " + string(s.c.Stream) }

// Close has nothing to give up.
func (s *Sink) Close() error { return nil }

// Probe finds the site's own log, which is always there.
func (s *Sink) Probe(context.Context) firehose.Result {
	return firehose.Result{Class: firehose.Delivered}
}

// Deliver stores the framed content of each record, without its newline, as a
// record under the same partition key: a piece at a time, each together with
// the note that it is stored.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	w := &writing{sink: s, key: string(s.c.Stream) + "/" + b.Source, batch: hex.EncodeToString(b.SHA256[:])}
	if err := w.load(ctx); err != nil {
		return classify(err)
	}
	already := w.stored > 0
	err := b.Each(ctx, func(r firehose.Record, frame []byte) error { return w.add(ctx, r, frame) })
	if err == nil {
		err = w.flush(ctx)
	}
	if err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered, Already: already && w.sent == 0, Bytes: w.sent}
}

// writing is one batch on its way in.
type writing struct {
	sink       *Sink
	key, batch string
	version    shardlog.Version // of the note; zero: there is none
	stored     int              // pieces of this batch that are there

	piece   int // the next one's number
	entries []shardlog.Entry
	bytes   int
	sent    int64
}

// load reads the note.
func (w *writing) load(ctx context.Context) error {
	text, version, err := w.sink.c.States.Get(ctx, Space, w.key)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	w.version = version
	if batch, pieces, ok := strings.Cut(string(text), " "); ok && batch == w.batch {
		w.stored, err = strconv.Atoi(pieces)
	}
	return err
}

// add puts a record into the present piece.
func (w *writing) add(ctx context.Context, r firehose.Record, frame []byte) error {
	if n := len(frame); n > 0 && frame[n-1] == '\n' {
		frame = frame[:n-1]
	}
	if len(frame)+len(r.Key) > shardlog.DefaultRecordBytes {
		head, err := beheaded(frame)
		if err != nil {
			return err
		}
		if err := w.put(ctx, r.Key, head); err != nil {
			return err
		}
		frame = r.Data
	}
	return w.put(ctx, r.Key, frame)
}

func (w *writing) put(ctx context.Context, key string, data []byte) error {
	if w.bytes > 0 && w.bytes+len(data) > pieceBytes {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.entries = append(w.entries, shardlog.Entry{Key: key, Data: append([]byte(nil), data...)})
	w.bytes += len(data) + len(key)
	return nil
}

// beheaded is an error record that is too large for a record, without its
// data: that follows as a record of its own.
func beheaded(frame []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(frame, &fields); err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "store error record", "it is too large and no JSON object: %w", err)
	}
	delete(fields, "rawData")
	fields["rawDataFollows"] = json.RawMessage("true")
	return json.Marshal(fields)
}

// flush stores the piece, unless it is there.
func (w *writing) flush(ctx context.Context) error {
	if len(w.entries) == 0 {
		return nil
	}
	w.piece++
	defer func() { w.entries, w.bytes = nil, 0 }()
	if w.piece <= w.stored {
		return nil
	}
	expect := shardlog.Absent()
	if w.version != 0 {
		expect = shardlog.At(w.version)
	}
	note := shardlog.Mutation{Space: Space, Key: w.key, Value: fmt.Appendf(nil, "%s %d", w.batch, w.piece), Expect: expect}
	if err := w.sink.store(ctx, w.entries, note); err != nil {
		return err
	}
	w.sent += int64(w.bytes)
	_, version, err := w.sink.c.States.Get(ctx, Space, w.key)
	w.version = version
	return err
}

// store puts entries and the note, all or nothing, and makes the stream when
// it is missing.
func (s *Sink) store(ctx context.Context, entries []shardlog.Entry, note shardlog.Mutation) error {
	results, err := s.c.Writer.Put(ctx, s.c.Stream, entries, note)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		err = s.c.Control.CreateStream(ctx, shardlog.StreamSpec{Name: s.c.Stream, Shards: 1, Retention: retention})
		if err == nil || shardlog.KindOf(err) == shardlog.InUse {
			results, err = s.c.Writer.Put(ctx, s.c.Stream, entries, note)
		}
	}
	for _, r := range results {
		if err == nil {
			err = r.Err
		}
	}
	return err
}
