// Package httpendpoint delivers by the HTTP endpoint protocol of Amazon Data
// Firehose, which many vendors take. It does not know what is behind the
// endpoint.
package httpendpoint

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// Config names an endpoint. Only URL is needed.
type Config struct {
	URL        string
	Name       string            // of the endpoint, for people
	Delivery   string            // the delivery's name, in the source's ARN
	AccessKey  string            // X-Amz-Firehose-Access-Key; empty: none
	Gzip       bool              // Content-Encoding
	Attributes map[string]string // X-Amz-Firehose-Common-Attributes; at most 50
	Bytes      int64             // of one request's records before base64; zero: 4 MiB, at most 47 MiB
	Records    int               // of one request; zero: 10,000, which is the most
	Transport  http.RoundTripper
}

// The limits of a request ("Appendix: Firehose HTTP endpoint delivery request
// and response specifications", Firehose developer guide).
const (
	defaultBytes    = 4 << 20
	mostBytes       = 47 << 20 // a body may have 64 MiB before compression; base64 makes 63 of it
	mostRecords     = 10_000
	mostKey         = 4096
	mostAttributes  = 50
	mostAttributeID = 256
	mostAttribute   = 1024
)

// Sink is an endpoint.
type Sink struct {
	name    string
	gzip    bool
	zip     post.Zipper
	bytes   int64
	records int
	client  *post.Client
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if c.Bytes == 0 {
		c.Bytes = defaultBytes
	}
	if c.Records == 0 {
		c.Records = mostRecords
	}
	switch {
	case c.Bytes < 0 || c.Bytes > mostBytes:
		return nil, invalid("%d bytes of one request, up to %d are allowed", c.Bytes, mostBytes)
	case c.Records < 0 || c.Records > mostRecords:
		return nil, invalid("%d records of one request, up to %d are allowed", c.Records, mostRecords)
	case len(c.AccessKey) > mostKey:
		return nil, invalid("the access key has %d bytes, up to %d are allowed", len(c.AccessKey), mostKey)
	}
	header, err := c.header()
	if err != nil {
		return nil, err
	}
	client, err := post.Open(post.Config{URL: c.URL, Transport: c.Transport, Header: header})
	if err != nil {
		return nil, err
	}
	if c.Name == "" {
		c.Name = "endpoint"
	}
	return &Sink{name: c.Name, gzip: c.Gzip, bytes: c.Bytes, records: c.Records, client: client}, nil
}

// header is what all requests have in common.
func (c Config) header() (http.Header, error) {
	h := http.Header{
		"Content-Type":                    {"application/json"},
		"X-Amz-Firehose-Protocol-Version": {"1.0"},
		"X-Amz-Firehose-Source-Arn":       {"arn:aws:firehose:us-east-1:000000000000:deliverystream/" + c.Delivery},
	}
	if c.Gzip {
		h.Set("Content-Encoding", "gzip")
	}
	if c.AccessKey != "" {
		h.Set("X-Amz-Firehose-Access-Key", c.AccessKey)
	}
	if len(c.Attributes) == 0 {
		return h, nil
	}
	if len(c.Attributes) > mostAttributes {
		return nil, invalid("%d attributes, %d are allowed", len(c.Attributes), mostAttributes)
	}
	for name, value := range c.Attributes {
		if name == "" || len(name) > mostAttributeID || len(value) > mostAttribute {
			return nil, invalid("attribute %.20q: names of 1 to %d and values of up to %d bytes are allowed", name, mostAttributeID, mostAttribute)
		}
	}
	text, err := json.Marshal(map[string]any{"commonAttributes": c.Attributes})
	if err != nil {
		return nil, err
	}
	h.Set("X-Amz-Firehose-Common-Attributes", string(text))
	return h, nil
}

func invalid(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "open HTTP endpoint sink", format, args...)
}

// Caps make one batch one request.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: int(s.bytes), BatchBytes: s.bytes, BatchRecords: s.records}
}

// String is the endpoint.
func (s *Sink) String() string { return "http:" + s.name + " at " + s.client.String() }

// Close gives up connections.
func (s *Sink) Close() error { return s.client.Close() }

// probeID is the request that holds nothing.
const probeID = "00000000-0000-5000-8000-000000000000"

// Probe sends a request without records. Amazon sends none such (the least is
// one), so that a receiver may find fault with it or fail over it: whoever
// answers is there, unless a person must mend something or it asks to wait.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	body, err := s.body(probeID, func(io.Writer) error { return nil })
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	a := s.send(ctx, probeID, body)
	switch r := s.result(a); {
	case a.Err != nil, r.Class == firehose.Auth, r.Class == firehose.Config, r.Class == firehose.Throttled:
		return r
	}
	return firehose.Result{Class: firehose.Delivered}
}

// Deliver sends the batch as one request, under the same id in every attempt.
// A batch that comes again may be there twice; receivers that care know it by
// its id.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	body, err := s.body(b.ID, func(w io.Writer) error {
		separator := ""
		var text []byte
		return b.Each(ctx, func(_ firehose.Record, frame []byte) error {
			text = append(append(text[:0], separator...), `{"data":"`...)
			text = append(base64.StdEncoding.AppendEncode(text, frame), `"}`...)
			separator = ","
			_, err := w.Write(text)
			return err
		})
	})
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	r := s.judge(b.ID, s.send(ctx, b.ID, body))
	if r.Done() {
		r.Bytes = int64(len(body))
	}
	return r
}

// body is a request with the records that write writes.
func (s *Sink) body(id string, write func(io.Writer) error) ([]byte, error) {
	whole := func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, `{"requestId":%q,"timestamp":%d,"records":[`, id, time.Now().UnixMilli()); err != nil {
			return err
		}
		if err := write(w); err != nil {
			return err
		}
		_, err := io.WriteString(w, "]}")
		return err
	}
	if s.gzip {
		return s.zip.Body(whole)
	}
	var b bytes.Buffer
	err := whole(&b)
	return b.Bytes(), err
}

func (s *Sink) send(ctx context.Context, id string, body []byte) post.Answer {
	return s.client.Do(ctx, post.Request{Header: http.Header{"X-Amz-Firehose-Request-Id": {id}}, Body: body})
}
