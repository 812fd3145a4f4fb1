package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"headgate/shardlog"
)

// PutRecord is a record on its way in. Data is base64 in JSON.
type PutRecord struct {
	Key  string `json:"key"`
	Hash string `json:"explicitHashKey,omitempty"`
	Data []byte `json:"data"`
}

// PutResult is where a record lies, or why it does not.
type PutResult struct {
	Shard  string `json:"shardId,omitempty"`
	Number string `json:"sequenceNumber,omitempty"`
	Error  string `json:"error,omitempty"`
}

// TailRecord is a record that was read, or a gap that was passed over.
type TailRecord struct {
	Key     string     `json:"key"`
	Data    []byte     `json:"data"`
	Number  string     `json:"sequenceNumber"`
	Shard   string     `json:"shardId"`
	Arrived time.Time  `json:"arrived"`
	Origin  time.Time  `json:"origin,omitzero"` // when a gateway without its peers took it, if that was before
	Gap     *GapDetail `json:"gap,omitempty"`
}

// putRecords stores records in order. It waits out throttling, since who
// types a command wants the record in, not a code.
func (a *admin) putRecords(_ http.ResponseWriter, r *http.Request) (any, error) {
	stream, err := a.stream(r)
	if err != nil {
		return nil, err
	}
	var records []PutRecord
	if err := receive(r, &records); err != nil {
		return nil, err
	}
	if len(records) > shardlog.MaxPutEntries {
		return nil, shardlog.Errorf(shardlog.Invalid, "put", "%d records, at most %d in one call", len(records), shardlog.MaxPutEntries)
	}
	entries := make([]shardlog.Entry, len(records))
	for i, p := range records {
		entries[i] = shardlog.Entry{Key: p.Key, Data: p.Data}
		if p.Hash != "" {
			hash, err := shardlog.ParseHash(p.Hash)
			if err != nil {
				return nil, err
			}
			entries[i].Hash = &hash
		}
	}
	results := make([]PutResult, len(entries))
	return results, a.putAll(r.Context(), stream, entries, results)
}

// putAll puts until no entry is throttled any more.
func (a *admin) putAll(ctx context.Context, stream shardlog.Stream, entries []shardlog.Entry, results []PutResult) error {
	places := make([]int, len(entries))
	for i := range places {
		places[i] = i
	}
	for len(entries) > 0 {
		answers, err := a.writer.Put(ctx, stream.Name, entries)
		if err != nil {
			return err
		}
		var again []shardlog.Entry
		var where []int
		wait := time.Duration(0)
		for i, answer := range answers {
			switch {
			case answer.Err == nil:
				results[places[i]] = PutResult{Shard: answer.Shard.String(), Number: answer.Number.String()}
			case shardlog.KindOf(answer.Err) == shardlog.Throttled:
				again, where = append(again, entries[i]), append(where, places[i])
				wait = max(wait, shardlog.RetryAfter(answer.Err), 10*time.Millisecond)
			default:
				results[places[i]] = PutResult{Error: answer.Err.Error()}
			}
		}
		entries, places = again, where
		if len(entries) > 0 {
			if err := pause(ctx, wait); err != nil {
				return err
			}
		}
	}
	return nil
}

// pause waits, or answers why it was cut short.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errEnough ends a tail that has shown as many records as were wanted.
var errEnough = errors.New("enough")

// tailRecords streams records as lines. Its query: from (ParseStart), shard,
// key, limit, follow.
func (a *admin) tailRecords(w http.ResponseWriter, r *http.Request) (any, error) {
	if r.PathValue("stream") == string(AuditStream) {
		a.audit.store(r.Context()) // what was told a moment ago is shown as well
	}
	stream, err := a.stream(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	from, err := ParseStart(query.Get("from"), a.now())
	if err != nil {
		return nil, err
	}
	shard, err := parseShard(query.Get("shard"))
	if err != nil {
		return nil, err
	}
	limit, err := strconv.Atoi("0" + query.Get("limit"))
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "tail", "limit: %w", err)
	}
	t, err := newTail(r.Context(), a.reader, stream, shard, from)
	if err != nil {
		return nil, err
	}
	if shard == nil {
		t.catalog = a.catalog
	}
	return nil, show(r.Context(), newLines(w), t, query.Get("key"), limit, query.Get("follow") != "")
}

// show writes the tail's records as lines, those of one key if one is given.
func show(ctx context.Context, out *lines, t *tail, key string, limit int, follow bool) error {
	shown := 0
	yield := func(f found) error {
		if limit > 0 && shown >= limit {
			return errEnough // another shard's record was the last
		}
		if f.gap == nil && key != "" && f.record.Key != key {
			return nil
		}
		if err := out.write(f.line()); err != nil {
			return errGone
		}
		if follow {
			out.flush()
		}
		if f.gap == nil {
			shown++
		}
		if limit > 0 && shown >= limit {
			return errEnough
		}
		return nil
	}
	err := t.history(ctx, yield)
	if err == nil && follow {
		out.begin()
		err = t.follow(ctx, yield)
	}
	switch {
	case err == nil, errors.Is(err, errEnough):
		return out.end()
	case errors.Is(err, errGone), ctx.Err() != nil:
		return nil
	}
	return out.fail(err)
}

func (f found) line() TailRecord {
	if f.gap != nil {
		detail := gapDetail(*f.gap)
		return TailRecord{Shard: f.shard.ID.String(), Gap: &detail}
	}
	return TailRecord{Key: f.record.Key, Data: f.record.Data, Shard: f.shard.ID.String(), Arrived: f.record.Arrived.UTC(),
		Origin: f.record.Origin, Number: f.shard.Number(f.record.Seq, f.record.Arrived).String()}
}
