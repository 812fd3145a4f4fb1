// Package function invokes a function with the records of a stream, as an
// event source mapping of AWS Lambda does: the Kinesis event over the Invoke
// API, batches halved when the function fails. It does not know where the
// function runs, nor what it does.
package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// Config names a function. Only URL and Name are needed.
type Config struct {
	URL       string // of the Invoke API, without the path: http://127.0.0.1:9001
	Name      string // of the function
	Region    string // in events; empty: us-east-1
	Records   int    // of one invocation; zero: 100, the mapping's default BatchSize
	Attempts  int    // with a batch until it is halved; zero: 3
	Transport http.RoundTripper
	Token     string // sent as Authorization: Bearer; empty: none
}

const (
	defaultRecords  = 100
	mostRecords     = 10000
	mostBytes       = 4 << 20 // 6 MB of payload in base64, with room for the envelope
	defaultAttempts = 3
	invocationTime  = 15 * time.Minute // the longest that Lambda lets a function run
	remembered      = 256              // batches whose failures are counted
	account         = "000000000000"
)

// Sink is a function.
type Sink struct {
	config Config
	client *post.Client

	mu       sync.Mutex
	failures map[string]int // guarded by mu: of batches, by id
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	switch {
	case c.Name == "":
		return nil, shardlog.Errorf(shardlog.Invalid, "open function sink", "the function's name is needed")
	case c.Records < 0 || c.Records > mostRecords:
		return nil, shardlog.Errorf(shardlog.Invalid, "open function sink", "records is %d, 1 to %d are allowed", c.Records, mostRecords)
	}
	if c.Records == 0 {
		c.Records = defaultRecords
	}
	if c.Attempts <= 0 {
		c.Attempts = defaultAttempts
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if c.Token != "" {
		header.Set("Authorization", "Bearer "+c.Token)
	}
	client, err := post.Open(post.Config{URL: c.URL, Transport: c.Transport, Header: header, Timeout: invocationTime})
	if err != nil {
		return nil, err
	}
	return &Sink{config: c, client: client, failures: map[string]int{}}, nil
}

// Caps make one batch one invocation.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: mostBytes, BatchBytes: mostBytes, BatchRecords: s.config.Records}
}

// String is the function.
func (s *Sink) String() string { return "function:" + s.config.Name + " at " + s.client.String() }

// Close gives up connections.
func (s *Sink) Close() error { return s.client.Close() }

// Probe asks for a dry run, which runs nothing.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	a := s.invoke(ctx, "DryRun", []byte(`{"Records":[]}`))
	return a.result()
}

// Deliver invokes the function once. When it fails the batch comes again; one
// that has failed several times is called poison, so that it is halved until
// the record at fault is alone. The reply may name records that failed
// (batchItemFailures): those are at fault, the others are done with.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	body, err := s.event(ctx, b)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	a := s.invoke(ctx, "RequestResponse", body)
	r := a.result()
	if r.Done() {
		r.Bytes = int64(len(body))
		r = a.partial(b, r)
	}
	return s.judge(b.ID, a, r)
}

// judge counts the failures of a batch.
func (s *Sink) judge(id string, a answer, r firehose.Result) firehose.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Done() || !a.failed {
		delete(s.failures, id)
		return r
	}
	if len(s.failures) >= remembered {
		clear(s.failures) // they are counted anew
	}
	if s.failures[id]++; s.failures[id] < s.config.Attempts {
		r.Class, r.Items = firehose.Transient, nil
		return r
	}
	delete(s.failures, id)
	r.Class = firehose.Poison
	return r
}

// answer is what came of one invocation.
type answer struct {
	post.Answer
	failed bool // the function itself
}

func (s *Sink) invoke(ctx context.Context, kind string, event []byte) answer {
	a := s.client.Do(ctx, post.Request{
		Path: "/2015-03-31/functions/" + url.PathEscape(s.config.Name) + "/invocations", Header: http.Header{"X-Amz-Invocation-Type": {kind}}, Body: event,
	})
	return answer{a, a.Header.Get("X-Amz-Function-Error") != ""}
}

// partial is the result of a reply that may name failed records.
func (a *answer) partial(b *firehose.Batch, r firehose.Result) firehose.Result {
	var reply struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if len(a.Body) == 0 || json.Unmarshal(a.Body, &reply) != nil || len(reply.BatchItemFailures) == 0 {
		return r
	}
	a.failed = true
	failed := firehose.Fail(firehose.Poison, fmt.Errorf("the function reports %d failed records", len(reply.BatchItemFailures)))
	for _, f := range reply.BatchItemFailures {
		var seq shardlog.Seq
		if _, err := fmt.Sscan(f.ItemIdentifier, &seq); err != nil || seq < b.First || seq > b.Last {
			failed.Items = nil // an empty or unknown identifier stands for the whole batch
			return failed
		}
		failed.Items = append(failed.Items, firehose.Item{Seq: seq, Code: "Lambda.ItemFailed", Message: "the function reports it in batchItemFailures"})
	}
	return failed
}

var errFunction = errors.New("the function failed")
