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
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/internal/post"
	"headgate/shardlog"
)

// Config names a function. Only Name and one of URL and Hosted are needed.
type Config struct {
	URL       string // of the Invoke API, without the path: http://127.0.0.1:9001
	Hosted    Hosted // instead of URL
	Name      string // of the function
	Parallel  int    // invocations of one batch at once, each with the keys of its own; zero: 1, at most 10
	Region    string // in events; empty: us-east-1
	Records   int    // of one invocation; zero: 100, the mapping's default BatchSize
	Attempts  int    // with a batch until it is halved; zero: 3
	Transport http.RoundTripper
	Token     string // sent as Authorization: Bearer; empty: none
}

// Hosted is a function that runs here. failed says that it took the event and
// failed; reply is then what it said.
type Hosted func(ctx context.Context, event []byte) (reply []byte, failed bool, err error)

const (
	mostParallel    = 10 // ParallelizationFactor
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
	client *post.Client // nil: it is hosted

	mu       sync.Mutex
	failures map[string]int          // guarded by mu: of batches, by id
	finished map[string]map[int]bool // guarded by mu: parts of batches, by id, that need not come again
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	switch {
	case c.Name == "":
		return nil, shardlog.Errorf(shardlog.Invalid, "open function sink", "the function's name is needed")
	case c.Records < 0 || c.Records > mostRecords:
		return nil, shardlog.Errorf(shardlog.Invalid, "open function sink", "records is %d, 1 to %d are allowed", c.Records, mostRecords)
	case c.Parallel < 0 || c.Parallel > mostParallel:
		return nil, shardlog.Errorf(shardlog.Invalid, "open function sink", "parallel is %d, 1 to %d are allowed", c.Parallel, mostParallel)
	}
	c.Parallel = max(c.Parallel, 1)
	if c.Records == 0 {
		c.Records = defaultRecords
	}
	if c.Attempts <= 0 {
		c.Attempts = defaultAttempts
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	s := &Sink{config: c, failures: map[string]int{}, finished: map[string]map[int]bool{}}
	if c.Hosted != nil {
		return s, nil
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if c.Token != "" {
		header.Set("Authorization", "Bearer "+c.Token)
	}
	var err error
	s.client, err = post.Open(post.Config{URL: c.URL, Transport: c.Transport, Header: header, Timeout: invocationTime})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Caps make one batch one invocation.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: mostBytes, BatchBytes: mostBytes, BatchRecords: s.config.Records}
}

// String is the function.
func (s *Sink) String() string {
	if s.client == nil {
		return "function:" + s.config.Name
	}
	return "function:" + s.config.Name + " at " + s.client.String()
}

// Close gives up connections.
func (s *Sink) Close() error {
	if s.client == nil {
		return nil
	}
	return s.client.Close()
}

// Probe asks for a dry run, which runs nothing.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	if s.client == nil {
		return firehose.Result{Class: firehose.Delivered}
	}
	a := s.invoke(ctx, "DryRun", []byte(`{"Records":[]}`))
	return a.result()
}

// Deliver invokes the function, once for each part of the batch. When it fails
// the batch comes again, less the parts that it took; one that has failed
// several times is called poison, so that it is halved until the record at
// fault is alone. The reply may name records that failed (batchItemFailures):
// those are at fault, the others are done with.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	parts, err := s.events(ctx, b)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	done := s.done(b.ID)
	outcomes := make([]outcome, len(parts))
	var all sync.WaitGroup
	for i, event := range parts {
		if event == nil || done[i] {
			outcomes[i].result = firehose.Result{Class: firehose.Delivered}
			continue
		}
		all.Go(func() { outcomes[i] = s.part(ctx, b, event) })
	}
	all.Wait()
	return s.judge(b.ID, outcomes)
}

// outcome is what came of one part.
type outcome struct {
	result firehose.Result
	failed bool // the function itself
}

func (s *Sink) part(ctx context.Context, b *firehose.Batch, event []byte) outcome {
	a := s.invoke(ctx, "RequestResponse", event)
	r := a.result()
	if r.Done() {
		r.Bytes = int64(len(event))
		r = a.partial(b, r)
	}
	return outcome{r, a.failed}
}

// done are the parts of a batch that the function took in an earlier attempt.
func (s *Sink) done(id string) map[int]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.finished[id])
}

// judge adds the parts up and counts the failures of the batch. What is not
// the function's fault comes first: nothing is known of it then.
func (s *Sink) judge(id string, parts []outcome) firehose.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole := firehose.Result{Class: firehose.Delivered}
	var failed *firehose.Result
	for i, p := range parts {
		switch {
		case p.result.Done():
			whole.Bytes += p.result.Bytes
			s.finish(id, i)
		case !p.failed:
			return p.result
		case failed == nil:
			failed = &p.result
		case len(failed.Items) == 0 || len(p.result.Items) == 0:
			failed.Items = nil // one of them cannot say which
		default:
			failed.Items = append(failed.Items, p.result.Items...)
		}
	}
	if failed == nil {
		delete(s.failures, id)
		delete(s.finished, id)
		return whole
	}
	if s.failures[id]++; s.failures[id] < s.config.Attempts {
		failed.Class, failed.Items = firehose.Transient, nil
		return *failed
	}
	delete(s.failures, id)
	delete(s.finished, id)
	failed.Class = firehose.Poison
	return *failed
}

// finish remembers a part, of so many batches. It needs s.mu.
func (s *Sink) finish(id string, part int) {
	if len(s.finished) >= remembered {
		clear(s.finished) // they come again, and
		clear(s.failures) // are counted anew
	}
	if s.finished[id] == nil {
		s.finished[id] = map[int]bool{}
	}
	s.finished[id][part] = true
}

// answer is what came of one invocation.
type answer struct {
	post.Answer
	failed bool // the function itself
}

func (s *Sink) invoke(ctx context.Context, kind string, event []byte) answer {
	if s.client == nil {
		reply, failed, err := s.config.Hosted(ctx, event)
		return answer{post.Answer{Err: err, Status: http.StatusOK, Body: reply}, failed}
	}
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
