package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"headgate/gateway/kinesisapi"
	"headgate/shardlog"
)

// StreamSpec is what the command line may say about a stream.
type StreamSpec struct {
	Shards    int    `json:"shards,omitempty"`
	Retention string `json:"retention,omitempty"` // as ParseDuration reads it
	Record    string `json:"record,omitempty"`    // the largest record, as ParseBytes reads it
}

// StreamDetail is one stream with its shards.
type StreamDetail struct {
	Name      string        `json:"name"`
	Created   time.Time     `json:"created"`
	Retention string        `json:"retention"`
	Scaled    time.Time     `json:"scaled,omitzero"`   // when shards were last split or merged
	Scaling   string        `json:"scaling,omitempty"` // and which of the two
	Shards    []ShardDetail `json:"shards"`
}

// ShardDetail is one shard.
type ShardDetail struct {
	ID      string `json:"shardId"`
	From    string `json:"startingHashKey"`
	To      string `json:"endingHashKey"`
	Closed  bool   `json:"closed"`
	Records uint64 `json:"records"` // readable now
	Oldest  uint64 `json:"oldest"`  // index of the first readable record
	Next    uint64 `json:"next"`    // index of the record to come
}

// GapDetail is one run of records that were given up.
type GapDetail struct {
	Stream  string    `json:"stream"`
	Shard   string    `json:"shardId"`
	First   uint64    `json:"first"`
	Last    uint64    `json:"last"`
	Records uint64    `json:"records"`
	Bytes   uint64    `json:"bytes"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

func (a *admin) describeStream(_ http.ResponseWriter, r *http.Request) (any, error) {
	stream, err := a.stream(r)
	if err != nil {
		return nil, err
	}
	detail := StreamDetail{Name: string(stream.Name), Created: stream.Created, Retention: stream.Retention.String()}
	detail.Scaled, detail.Scaling = kinesisapi.LastScaled(stream)
	for _, s := range stream.Shards {
		detail.Shards = append(detail.Shards, ShardDetail{
			ID: s.ID.String(), From: s.From.String(), To: s.To.String(), Closed: s.Closed,
			Records: uint64(s.Next - s.Oldest), Oldest: uint64(s.Oldest), Next: uint64(s.Next),
		})
	}
	return detail, nil
}

func (a *admin) createStream(w http.ResponseWriter, r *http.Request) (any, error) {
	var want StreamSpec
	if err := receive(r, &want); err != nil {
		return nil, err
	}
	spec := shardlog.StreamSpec{Name: shardlog.StreamName(r.PathValue("stream")), Shards: want.Shards}
	if want.Retention != "" {
		retention, err := ParseDuration(want.Retention)
		if err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "create stream", "%w", err)
		}
		spec.Retention = time.Duration(retention)
	}
	if want.Record != "" {
		largest, err := ParseBytes(want.Record)
		if err != nil || largest%1024 != 0 {
			return nil, shardlog.Errorf(shardlog.Invalid, "create stream", "%q is no size of a record: write 1MiB to 10MiB", want.Record)
		}
		spec.RecordKiB = int(largest / 1024)
	}
	if spec.Name.Own() {
		return nil, shardlog.Errorf(shardlog.Invalid, "create stream", "names that begin with an underscore are the gateway's own")
	}
	if err := a.control.CreateStream(r.Context(), spec); err != nil {
		return nil, err
	}
	return a.describeStream(w, r)
}

func (a *admin) deleteStream(_ http.ResponseWriter, r *http.Request) (any, error) {
	stream, err := a.stream(r)
	if err != nil {
		return nil, err
	}
	if stream.Name.Own() {
		return nil, shardlog.Errorf(shardlog.Invalid, "delete stream", "%s is the gateway's own", stream.Name)
	}
	return struct{}{}, a.control.DeleteStream(r.Context(), stream.Name)
}

func (a *admin) setRetention(w http.ResponseWriter, r *http.Request) (any, error) {
	stream, err := a.stream(r)
	if err != nil {
		return nil, err
	}
	var want StreamSpec
	if err := receive(r, &want); err != nil {
		return nil, err
	}
	retention, err := ParseDuration(want.Retention)
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "set retention", "%w", err)
	}
	if err := a.control.SetRetention(r.Context(), stream.Name, time.Duration(retention)); err != nil {
		return nil, err
	}
	return a.describeStream(w, r)
}

func (a *admin) listGaps(w http.ResponseWriter, r *http.Request) (any, error) {
	lines := newLines(w)
	for gap, err := range a.gaps.Gaps(r.Context()) {
		if err != nil {
			return nil, lines.fail(err)
		}
		if err := lines.write(gapDetail(gap)); err != nil {
			return nil, errGone
		}
	}
	return nil, lines.end()
}

func gapDetail(g shardlog.Gap) GapDetail {
	return GapDetail{Stream: string(g.Stream), Shard: g.Shard.String(), First: uint64(g.First), Last: uint64(g.Last),
		Records: g.Records, Bytes: g.Bytes, Reason: string(g.Reason), At: g.At}
}

// errGone ends a call whose caller has left.
var errGone = errors.New("the caller has gone")

// lines is an answer of one JSON value a line. The last line says that it is
// complete, or why it is not, since the status went out long before.
type lines struct {
	w       http.ResponseWriter
	encoder *json.Encoder
	begun   bool
}

// lastLine ends an answer of lines.
type lastLine struct {
	Done  bool     `json:"done,omitempty"`
	Error *refusal `json:"error,omitempty"`
}

func newLines(w http.ResponseWriter) *lines { return &lines{w: w, encoder: json.NewEncoder(w)} }

func (l *lines) write(v any) error {
	if !l.begun {
		l.w.Header().Set("Content-Type", "application/x-ndjson")
		l.begun = true
	}
	return l.encoder.Encode(v)
}

// begin sends the status, so that the caller knows that lines may follow.
func (l *lines) begin() {
	if !l.begun {
		l.w.Header().Set("Content-Type", "application/x-ndjson")
		l.w.WriteHeader(http.StatusOK)
		l.begun = true
	}
	l.flush()
}

func (l *lines) flush() { _ = http.NewResponseController(l.w).Flush() }

// fail ends the answer with the error; before the first line it is the answer.
func (l *lines) fail(err error) error {
	if !l.begun {
		return err
	}
	_ = l.write(lastLine{Error: &refusal{Kind: shardlog.KindOf(err), Message: err.Error()}})
	return nil
}

func (l *lines) end() error {
	_ = l.write(lastLine{Done: true})
	return nil
}
