// Package function invokes a function with the records of a stream, as an
// event source mapping of AWS Lambda does: the Kinesis event over the Invoke
// API, batches halved when the function fails. It does not know where the
// function runs, nor what it does.
package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a function. Only URL and Name are needed.
type Config struct {
	URL      string // of the Invoke API, without the path: http://127.0.0.1:9001
	Name     string // of the function
	Region   string // in events; empty: us-east-1
	Records  int    // of one invocation; zero: 100, the mapping's default BatchSize
	Attempts int    // with a batch until it is halved; zero: 3
	Client   *http.Client
	Token    string // sent as Authorization: Bearer; empty: none
}

const (
	defaultRecords  = 100
	mostRecords     = 10000
	mostBytes       = 4 << 20 // 6 MB of payload in base64, with room for the envelope
	defaultAttempts = 3
	invocationTime  = 15 * time.Minute // the longest that Lambda lets a function run
	answerBytes     = 1 << 20
	remembered      = 256 // batches whose failures are counted
	account         = "000000000000"
)

// Sink is a function.
type Sink struct {
	config   Config
	endpoint string

	mu       sync.Mutex
	failures map[string]int // guarded by mu: of batches, by id
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, shardlog.Errorf(shardlog.Invalid, "open function sink", "url must be http:// or https:// and a host")
	case u.User != nil:
		return nil, shardlog.Errorf(shardlog.Invalid, "open function sink", "url must hold no password: use the token")
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
	if c.Client == nil {
		c.Client = &http.Client{Timeout: invocationTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Sink{config: c, endpoint: strings.TrimSuffix(c.URL, "/") + "/2015-03-31/functions/" + url.PathEscape(c.Name) + "/invocations", failures: map[string]int{}}, nil
}

// Caps make one batch one invocation.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: mostBytes, BatchBytes: mostBytes, BatchRecords: s.config.Records}
}

// String is the function.
func (s *Sink) String() string { return "function:" + s.config.Name + " at " + s.config.URL }

// Close gives up connections.
func (s *Sink) Close() error {
	s.config.Client.CloseIdleConnections()
	return nil
}

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
	err    error // nobody answered
	status int
	failed bool // the function itself
	header http.Header
	body   []byte
}

func (s *Sink) invoke(ctx context.Context, kind string, event []byte) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, bytes.NewReader(event))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Amz-Invocation-Type", kind)
	if s.config.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.config.Token)
	}
	resp, err := s.config.Client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	if err != nil {
		return answer{err: fmt.Errorf("read answer: %w", err)}
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body, failed: resp.Header.Get("X-Amz-Function-Error") != ""}
}

// partial is the result of a reply that may name failed records.
func (a *answer) partial(b *firehose.Batch, r firehose.Result) firehose.Result {
	var reply struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if len(a.body) == 0 || json.Unmarshal(a.body, &reply) != nil || len(reply.BatchItemFailures) == 0 {
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
