// Package splunk delivers to an HTTP event collector of Splunk and waits
// until its indexers have acknowledged. It does not know what events mean.
package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync/atomic"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// Config names a collector and how events are marked. URL and Token are needed.
type Config struct {
	URL        string // of the collector, without a path: https://splunk.example:8088
	Token      string
	Raw        bool   // the raw endpoint: lines as they are; else events with time and fields
	Host       string // of events; empty: the collector's choice, as those that follow
	Source     string
	SourceType string
	Index      string
	AckTimeout time.Duration // how long an acknowledgement may take; zero: 3 minutes. A token without them is believed at once
	Bytes      int64         // of one request before compression; zero: 1 MiB, at most 5 MiB
	Transport  http.RoundTripper
}

const (
	defaultAck     = 3 * time.Minute // Firehose's HECAcknowledgmentTimeoutInSeconds
	defaultBytes   = 1 << 20
	mostBytes      = 5 << 20 // Firehose's buffer for Splunk
	eventBytes     = 512     // what an event has around its data, at most
	mostRecords    = 5000
	firstPoll      = 250 * time.Millisecond
	lastPoll       = 10 * time.Second
	collectorPath  = "/services/collector"
	requestTimeout = time.Minute
)

// Sink is a collector, seen through a channel of its own.
type Sink struct {
	config  Config
	channel atomic.Pointer[string] // for what is sent next; renewed when it is refused
	client  *post.Client
	zip     post.Zipper
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Cookies are kept, for an
// acknowledgement is known only to the indexer that took the events, and a
// load balancer finds it by them. Kind Invalid.
func Open(c Config) (*Sink, error) {
	switch {
	case c.Token == "":
		return nil, invalid("a token is needed")
	case c.Bytes < 0 || c.Bytes > mostBytes:
		return nil, invalid("%d bytes of one request, up to %d are allowed", c.Bytes, mostBytes)
	case c.AckTimeout < 0:
		return nil, invalid("an acknowledgement cannot take %s", c.AckTimeout)
	}
	if c.Bytes == 0 {
		c.Bytes = defaultBytes
	}
	if c.AckTimeout == 0 {
		c.AckTimeout = defaultAck
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Authorization": {"Splunk " + c.Token}, "Content-Type": {"application/json"}}
	client, err := post.Open(post.Config{URL: c.URL, Transport: c.Transport, Header: header, Timeout: requestTimeout, Cookies: jar})
	if err != nil {
		return nil, err
	}
	s := &Sink{config: c, client: client}
	s.channel.Store(newChannel())
	return s, nil
}

func invalid(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "open Splunk sink", format, args...)
}

// Caps make one batch one request.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: int(s.config.Bytes) - eventBytes, BatchBytes: s.config.Bytes, BatchRecords: mostRecords}
}

// String is the collector.
func (s *Sink) String() string { return "splunk:" + s.client.String() }

// Close gives up connections.
func (s *Sink) Close() error { return s.client.Close() }

// Probe sends nothing at all, as Firehose does, which a collector that knows
// the token answers with code 5, no data. Others of its kind find other faults.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	r := s.judge(s.ask(ctx, s.channel.Load(), post.Request{Path: collectorPath + "/event"}), nil)
	if r.Class == firehose.Poison {
		return firehose.Result{Class: firehose.Delivered}
	}
	return r
}

// Deliver sends the batch and waits until it is acknowledged. One that comes
// again, since its acknowledgement was late or lost, is there twice; the
// fields gw_batch and gw_seq tell. Where the answer promises no
// acknowledgement the token has them off: then it is delivered as soon as the
// collector has it, and lost should that die before it is indexed.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	content, seqs, err := s.content(ctx, b)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	body, err := s.zip.Bytes(content)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	channel := s.channel.Load()
	a := s.ask(ctx, channel, post.Request{Path: s.path(), Query: s.query(), Header: http.Header{"Content-Encoding": {"gzip"}}, Body: body})
	r := s.judge(a, seqs)
	if !r.Done() {
		return r
	}
	if id := read(a).ackID; id != nil {
		if r := s.await(ctx, channel, *id); !r.Done() {
			return r
		}
	}
	r.Bytes = int64(len(body))
	return r
}

func (s *Sink) path() string {
	if s.config.Raw {
		return collectorPath + "/raw"
	}
	return collectorPath + "/event"
}

// query marks raw lines; events are marked one by one.
func (s *Sink) query() url.Values {
	if !s.config.Raw {
		return nil
	}
	q := url.Values{}
	for name, value := range map[string]string{"host": s.config.Host, "source": s.config.Source, "sourcetype": s.config.SourceType, "index": s.config.Index} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// content is the batch as the endpoint takes it, with the number of each
// event's record; none of raw lines, for a record may hold several.
func (s *Sink) content(ctx context.Context, b *firehose.Batch) (content []byte, seqs []shardlog.Seq, err error) {
	if s.config.Raw {
		content, err = raw(ctx, b)
		return content, nil, err
	}
	var to bytes.Buffer
	encoder := json.NewEncoder(&to)
	encoder.SetEscapeHTML(false) // Splunk keeps the text of an event as it was sent
	err = b.Each(ctx, func(r firehose.Record, _ []byte) error {
		seqs = append(seqs, r.Seq)
		return encoder.Encode(s.event(b, r))
	})
	return to.Bytes(), seqs, err
}

func raw(ctx context.Context, b *firehose.Batch) (content []byte, err error) {
	err = b.Each(ctx, func(_ firehose.Record, frame []byte) error {
		content = append(content, frame...)
		if len(frame) > 0 && frame[len(frame)-1] != '\n' {
			content = append(content, '\n')
		}
		return nil
	})
	return content, err
}
