// Package otlp delivers log records by OTLP/HTTP, as collectors and many
// services take them. It does not know what is behind the endpoint.
package otlp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// Config names an endpoint. Only URL is needed.
type Config struct {
	URL       string            // without /v1/logs
	Header    map[string]string // of every request; may hold secrets
	Resource  map[string]string // attributes of the resource; service.name is headgate unless given
	Bytes     int64             // of one request's records; zero: 2 MiB, at most 16 MiB
	Now       func() time.Time
	Transport http.RoundTripper
}

const (
	defaultBytes = 2 << 20
	mostBytes    = 16 << 20
	mostRecords  = 10_000
	mostHeaders  = 32
	who          = "the OTLP endpoint"
)

// Sink is an endpoint.
type Sink struct {
	bytes    int64
	resource []attribute
	now      func() time.Time
	client   *post.Client
	zip      post.Zipper
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if c.Bytes == 0 {
		c.Bytes = defaultBytes
	}
	if c.Bytes < 0 || c.Bytes > mostBytes || len(c.Header) > mostHeaders {
		return nil, shardlog.Errorf(shardlog.Invalid, "open OTLP sink", "up to %d bytes of one request and %d headers are allowed", mostBytes, mostHeaders)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	header := http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}
	for name, value := range c.Header {
		header.Set(name, value)
	}
	client, err := post.Open(post.Config{URL: c.URL, Transport: c.Transport, Header: header})
	if err != nil {
		return nil, err
	}
	resource := map[string]string{"service.name": "headgate"}
	maps.Copy(resource, c.Resource)
	s := &Sink{bytes: c.Bytes, now: c.Now, client: client}
	for _, name := range slices.Sorted(maps.Keys(resource)) {
		s.resource = append(s.resource, attribute{name, text(resource[name])})
	}
	return s, nil
}

// Caps make one batch one request.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: int(s.bytes), BatchBytes: s.bytes, BatchRecords: mostRecords}
}

// String is the endpoint.
func (s *Sink) String() string { return "otlp:" + s.client.String() }

// Close gives up connections.
func (s *Sink) Close() error { return s.client.Close() }

// Probe sends a request without records.
func (s *Sink) Probe(ctx context.Context) firehose.Result { return s.send(ctx, request{}) }

// Deliver sends the batch as one request. What comes again is there twice; the
// attribute gw.seq tells.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	observed := strconv.FormatInt(s.now().UnixNano(), 10)
	scope := scopeLogs{Scope: scope{"headgate"}}
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		scope.Records = append(scope.Records, logRecord{
			Time: strconv.FormatInt(r.Arrived.UnixNano(), 10), Observed: observed, Body: body(r.Data),
			Attributes: []attribute{{"gw.seq", text(b.DocumentID(r))}, {"gw.batch", text(b.ID)}, {"gw.stream", text(string(b.Stream))}, {"gw.key", text(r.Key)}},
		})
		return nil
	})
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	return s.send(ctx, request{[]resourceLogs{{resource{s.resource}, []scopeLogs{scope}}}})
}

func (s *Sink) send(ctx context.Context, r request) firehose.Result {
	content, err := json.Marshal(r)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	zipped, err := s.zip.Bytes(content)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	result := judge(s.client.Do(ctx, post.Request{Path: "/v1/logs", Body: zipped}))
	if result.Done() {
		result.Bytes = int64(len(zipped))
	}
	return result
}

// judge says what an answer means ("OTLP/HTTP Response", OTLP specification):
// 429, 502, 503 and 504 are tried again, and a partial success names how many
// records were rejected, not which: the batch is halved to find them.
func judge(a post.Answer) firehose.Result {
	r := a.Result(who)
	if !r.Done() {
		return r
	}
	var reply struct {
		Partial struct {
			Rejected json.RawMessage `json:"rejectedLogRecords"` // a number, or one in quotes
			Message  string          `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if len(a.Body) == 0 {
		return r
	}
	if err := json.Unmarshal(a.Body, &reply); err != nil {
		return r // a service that answers 2xx in words of its own has taken it
	}
	rejected := string(reply.Partial.Rejected)
	if rejected == "" || rejected == "0" || rejected == `"0"` || rejected == "null" {
		return r
	}
	return firehose.Fail(firehose.Poison, fmt.Errorf("%s rejects %.20s records: %.300s", who, rejected, reply.Partial.Message))
}
