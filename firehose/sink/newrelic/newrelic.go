// Package newrelic delivers to New Relic's Log API. It does not know what
// records mean: New Relic itself reads JSON out of a message.
package newrelic

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/logs"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// Config names an account's intake and how entries are marked. Key is needed.
type Config struct {
	Region     string // us (default), eu
	URL        string // instead of Region: of an intake, without a path
	Key        string // a license key
	Attributes map[string]string
	Stale      Stale // of records older than 48 h; restamp unless given
	Now        func() time.Time
	Transport  http.RoundTripper
}

// The limits of one request ("Introduction to the Log API", New Relic
// documentation). What else is wrong with entries New Relic tells nobody but
// its own NrIntegrationError events.
const (
	mostBytes      = 1_000_000 // compressed
	mostContent    = 4_000_000
	mostEntries    = 10_000
	mostAttributes = 200 // of 255, some are ours
	mostAge        = 48 * time.Hour
	who            = "New Relic"
)

var errTooLarge = errors.New("the request is larger than the 1 MB that New Relic takes")

// Stale says what becomes of a record that is older than is taken: "restamp",
// "send" or "refuse", empty for the first.
type Stale = logs.Stale

// Sink is an intake.
type Sink struct {
	attributes map[string]string
	rules      logs.Rules
	client     *post.Client
	zip        post.Zipper
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	hosts := map[string]string{"": "https://log-api.newrelic.com", "us": "https://log-api.newrelic.com", "eu": "https://log-api.eu.newrelic.com"}
	switch {
	case c.Key == "":
		return nil, shardlog.Errorf(shardlog.Invalid, "open New Relic sink", "a license key is needed")
	case hosts[c.Region] == "":
		return nil, shardlog.Errorf(shardlog.Invalid, "open New Relic sink", "region %q is unknown; us and eu are known", c.Region)
	case len(c.Attributes) > mostAttributes:
		return nil, shardlog.Errorf(shardlog.Invalid, "open New Relic sink", "%d attributes, %d are allowed", len(c.Attributes), mostAttributes)
	}
	if c.URL == "" {
		c.URL = hosts[c.Region]
	}
	rules, err := logs.NewRules(c.Stale, mostAge, c.Now)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Api-Key": {c.Key}, "Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}
	client, err := post.Open(post.Config{URL: c.URL, Transport: c.Transport, Header: header})
	if err != nil {
		return nil, err
	}
	return &Sink{attributes: c.Attributes, rules: rules, client: client}, nil
}

// Caps make one batch one request.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: mostBytes - 4096, BatchBytes: mostContent, BatchRecords: mostEntries}
}

// String is the intake.
func (s *Sink) String() string { return "newrelic:" + s.client.String() }

// Close gives up connections.
func (s *Sink) Close() error { return s.client.Close() }

// Probe sends no entries.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	return s.send(ctx, []block{{Logs: []entry{}}})
}

// block is a request's detailed form: what entries have in common, and they.
type block struct {
	Common common  `json:"common"`
	Logs   []entry `json:"logs"`
}

type common struct {
	Attributes map[string]string `json:"attributes"`
}

type entry struct {
	Timestamp  int64             `json:"timestamp"` // Unix milliseconds
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes"`
}

// Deliver sends the batch as one request. What comes again is there twice; the
// attribute gw.seq tells.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	all := block{Common: common{map[string]string{"gw.batch": b.ID, "gw.stream": string(b.Stream)}}}
	for name, value := range s.attributes {
		all.Common.Attributes[name] = value
	}
	var refused []firehose.Item
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		e, refusal := s.rules.Entry(b, r)
		if refusal != nil {
			refused = append(refused, *refusal)
			return nil
		}
		own := map[string]string{"gw.seq": e.Seq}
		if e.Arrived != "" {
			own["gw.arrived"] = e.Arrived
		}
		all.Logs = append(all.Logs, entry{e.At.UnixMilli(), e.Message, own})
		return nil
	})
	switch {
	case err != nil:
		return firehose.Fail(firehose.Transient, err)
	case len(refused) > 0:
		return logs.Refusal(refused)
	}
	return s.send(ctx, []block{all})
}

func (s *Sink) send(ctx context.Context, request []block) firehose.Result {
	content, err := json.Marshal(request)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	body, err := s.zip.Bytes(content)
	switch {
	case err != nil:
		return firehose.Fail(firehose.Transient, err)
	case len(body) > mostBytes:
		return firehose.Fail(firehose.TooLarge, errTooLarge)
	}
	r := s.client.Do(ctx, post.Request{Path: "/log/v1", Body: body}).Result(who)
	if r.Done() {
		r.Bytes = int64(len(body))
	}
	return r
}
