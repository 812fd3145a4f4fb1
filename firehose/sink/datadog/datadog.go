// Package datadog delivers to Datadog's log intake. It does not know what
// records mean: Datadog itself reads JSON out of a message.
package datadog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/logs"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// Config names an intake and how entries are marked. Key is needed.
type Config struct {
	Site      string // datadoghq.com unless given; datadoghq.eu, us3.datadoghq.com …
	URL       string // instead of Site: of an intake, without a path
	Key       string
	Source    string
	Service   string
	Host      string
	Tags      []string // "env:plant"
	Stale     Stale    // of records older than 18 h; restamp unless given
	Now       func() time.Time
	Transport http.RoundTripper
}

// The limits of one request ("Send logs", Datadog API reference). An entry
// that is longer would be cut off in silence.
const (
	mostBytes   = 5_000_000
	entryBytes  = 1_000_000
	mostEntries = 1000
	mostAge     = 18 * time.Hour
	who         = "Datadog"
)

var errTooLarge = errors.New("the request is larger than the 5 MB that Datadog takes")

// codeTooLong is of records whose entry Datadog would cut off.
const codeTooLong = "Datadog.TooLong"

// Stale says what becomes of a record that is older than is taken: "restamp",
// "send" or "refuse", empty for the first.
type Stale = logs.Stale

// Sink is an intake.
type Sink struct {
	config Config
	rules  logs.Rules
	client *post.Client
	zip    post.Zipper
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if c.Key == "" {
		return nil, shardlog.Errorf(shardlog.Invalid, "open Datadog sink", "an API key is needed")
	}
	if c.Site == "" {
		c.Site = "datadoghq.com"
	}
	if c.URL == "" {
		c.URL = "https://http-intake.logs." + c.Site
	}
	rules, err := logs.NewRules(c.Stale, mostAge, c.Now)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Dd-Api-Key": {c.Key}, "Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}
	client, err := post.Open(post.Config{URL: c.URL, Transport: c.Transport, Header: header})
	if err != nil {
		return nil, err
	}
	return &Sink{config: c, rules: rules, client: client}, nil
}

// Caps make one batch one request.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: entryBytes - 2048, BatchBytes: mostBytes / 2, BatchRecords: mostEntries}
}

// String is the intake.
func (s *Sink) String() string { return "datadog:" + s.client.String() }

// Close gives up connections.
func (s *Sink) Close() error { return s.client.Close() }

// Probe sends no entries.
func (s *Sink) Probe(ctx context.Context) firehose.Result { return s.send(ctx, []byte("[]")) }

// entry is one entry, in Datadog's names and, with gw., in ours.
type entry struct {
	Source    string `json:"ddsource,omitempty"`
	Tags      string `json:"ddtags,omitempty"`
	Host      string `json:"hostname,omitempty"`
	Service   string `json:"service,omitempty"`
	Message   string `json:"message"`
	Timestamp int64  `json:"timestamp"` // Unix milliseconds
	Batch     string `json:"gw.batch"`
	Seq       string `json:"gw.seq"`
	Stream    string `json:"gw.stream"`
	Arrived   string `json:"gw.arrived,omitempty"`
}

// Deliver sends the batch as one request. What comes again is there twice; the
// attribute gw.seq tells.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	body := bytes.NewBufferString("[")
	var refused []firehose.Item
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		e, refusal := s.rules.Entry(b, r)
		if refusal != nil {
			refused = append(refused, *refusal)
			return nil
		}
		text, err := json.Marshal(entry{s.config.Source, strings.Join(s.config.Tags, ","), s.config.Host, s.config.Service, e.Message, e.At.UnixMilli(), e.Batch, e.Seq, e.Stream, e.Arrived})
		if err != nil {
			return err
		}
		if len(text) > entryBytes {
			refused = append(refused, firehose.Item{Seq: r.Seq, Code: codeTooLong, Message: "its entry is longer than 1 MB, and would be cut off"})
			return nil
		}
		if body.Len() > 1 {
			body.WriteByte(',')
		}
		body.Write(text)
		return nil
	})
	body.WriteByte(']')
	switch {
	case err != nil:
		return firehose.Fail(firehose.Transient, err)
	case len(refused) > 0:
		return logs.Refusal(refused)
	case body.Len() > mostBytes:
		return firehose.Fail(firehose.TooLarge, errTooLarge)
	}
	return s.send(ctx, body.Bytes())
}

func (s *Sink) send(ctx context.Context, content []byte) firehose.Result {
	body, err := s.zip.Bytes(content)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	r := s.client.Do(ctx, post.Request{Path: "/api/v2/logs", Body: body}).Result(who)
	if r.Done() {
		r.Bytes = int64(len(body))
	}
	return r
}
