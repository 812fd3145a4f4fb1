// Package opensearch delivers documents to OpenSearch, Elasticsearch or a
// server that takes their bulk requests. It does not know what is in a
// document, nor how an index maps it.
package opensearch

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// Config names an index. URL and Index are needed.
type Config struct {
	URL      string // of the cluster, with the path that stands before /_bulk
	Index    string // or alias, or data stream
	Rotation string // none (default), hour, day, week, month: of the index's name, by the record's arrival
	IDs      string // own (default): what comes again is there once; none: the server's
	Pipeline string // of the server; empty: none
	Query    string // of bulk requests, beside ours; empty: none
	Username string
	Password string
	Bytes    int64 // of one request; zero: 5 MiB, at most 64 MiB
	Records  int   // of one request; zero: 2000, at most 10,000

	Transport http.RoundTripper
}

const (
	defaultBytes   = 5 << 20
	mostBytes      = 64 << 20
	defaultRecords = 2000
	mostRecords    = 10_000
	answerBytes    = 8 << 20
	actionBytes    = 700 // what a document has before it, at most: index and id
	rounds         = 6   // of a request that was taken in part
	firstPause     = 200 * time.Millisecond
)

// The values of Config.IDs.
const (
	OwnIDs = "own"
	NoIDs  = "none"
)

// Sink is an index.
type Sink struct {
	config Config
	client *post.Client
	query  url.Values
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if err := c.complete(); err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open OpenSearch sink", "%w", err)
	}
	query, err := url.ParseQuery(c.Query)
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open OpenSearch sink", "query is none")
	}
	// Only what is read comes back: whether there were errors, and which.
	query.Set("filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason")
	if c.Pipeline != "" {
		query.Set("pipeline", c.Pipeline)
	}
	header := http.Header{"Content-Type": {"application/x-ndjson"}, "Accept": {"application/json"}}
	if c.Username != "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)))
	}
	client, err := post.Open(post.Config{URL: c.URL, Transport: c.Transport, Header: header, AnswerBytes: answerBytes})
	if err != nil {
		return nil, err
	}
	return &Sink{config: c, client: client, query: query}, nil
}

// complete fills in the defaults and answers what is wrong.
func (c *Config) complete() error {
	if c.Bytes == 0 {
		c.Bytes = defaultBytes
	}
	if c.Records == 0 {
		c.Records = defaultRecords
	}
	if c.Rotation == "" {
		c.Rotation = "none"
	}
	if c.IDs == "" {
		c.IDs = OwnIDs
	}
	switch {
	case c.Index == "" || len(c.Index) > 240 || c.Index != strings.ToLower(c.Index) || strings.ContainsAny(c.Index, `\/*?"<>| ,#:`) || strings.ContainsAny(c.Index[:1], "_-+."):
		return fmt.Errorf("%.250q is no name of an index", c.Index)
	case !rotates(c.Rotation):
		return fmt.Errorf("rotation %q is unknown; none, hour, day, week and month are known", c.Rotation)
	case c.IDs != OwnIDs && c.IDs != NoIDs:
		return fmt.Errorf("document ids %q are unknown; %s and %s are known", c.IDs, OwnIDs, NoIDs)
	case c.Bytes < 0 || c.Bytes > mostBytes:
		return fmt.Errorf("%d bytes of one request, up to %d are allowed", c.Bytes, mostBytes)
	case c.Records < 0 || c.Records > mostRecords:
		return fmt.Errorf("%d records of one request, up to %d are allowed", c.Records, mostRecords)
	case c.Password != "" && c.Username == "":
		return fmt.Errorf("a password goes with a username")
	}
	return nil
}

// Caps make one batch one request.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: int(s.config.Bytes), BatchBytes: s.config.Bytes, BatchRecords: s.config.Records}
}

// String is the index.
func (s *Sink) String() string { return "opensearch:" + s.config.Index + " at " + s.client.String() }

// Close gives up connections.
func (s *Sink) Close() error { return s.client.Close() }

// Probe asks for the server's greeting.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	return s.client.Do(ctx, post.Request{Method: http.MethodGet, Path: "/"}).Result(who)
}

// Deliver indexes the batch's documents by one bulk request, and again those
// that the server had no room for. With ids of our own a document that is
// there already counts as delivered.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	all, err := s.operations(ctx, b)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	out := outcome{refused: all.refused}
	if len(out.refused) > 0 {
		return out.result(b.Count) // the others come again without these, so nothing is sent in vain
	}
	rest := all.sent
	for pause := firstPause; len(rest) > 0; pause *= 2 {
		body := join(rest)
		a := s.client.Do(ctx, post.Request{Path: "/_bulk", Query: s.query, Body: body})
		if r := a.Result(who); !r.Done() {
			return r
		}
		items, err := parse(a.Body, len(rest))
		if err != nil {
			return firehose.Fail(firehose.Transient, fmt.Errorf("%s: %w", who, err))
		}
		out.bytes += int64(len(body))
		if rest = out.sort(rest, items); out.held != nil {
			return *out.held
		}
		if len(rest) > 0 && pause > firstPause<<rounds {
			return firehose.Fail(firehose.Throttled, fmt.Errorf("%s: %d of %d documents were not taken: %s", who, len(rest), b.Count, out.busy))
		}
		if len(rest) > 0 && sleep(ctx, time.Duration(rand.Int64N(int64(pause)))) != nil {
			return firehose.Fail(firehose.Transient, ctx.Err())
		}
	}
	return out.result(b.Count)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
