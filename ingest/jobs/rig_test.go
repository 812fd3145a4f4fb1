package jobs_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"headgate/ingest"
	"headgate/ingest/jobs"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// site is a log with any number of gateways that serve jobs over it.
type site struct {
	*shardlogtest.Memory
	mu      sync.Mutex
	replies []sent
	before  func() // called once, before the next change is written
}

// sent is a message that a device would get.
type sent struct {
	client, topic string
	payload       []byte
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Memory: shardlogtest.NewMemory()}
	err := s.CreateStream(t.Context(), shardlog.StreamSpec{Name: ingest.AnnounceStream, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gateway is another gateway of the site.
func (s *site) gateway(t *testing.T) *gateway {
	t.Helper()
	service, err := jobs.New(jobs.Config{States: s, Announce: s.announce, Reply: s.reply, Writer: s, Reader: s, Catalog: s, Control: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return &gateway{service, t, s}
}

func (s *site) announce(ctx context.Context, key string, all []ingest.Announcement, with ...shardlog.Mutation) error {
	s.mu.Lock()
	before := s.before
	s.before = nil
	s.mu.Unlock()
	if before != nil {
		before()
	}
	var entries []shardlog.Entry
	for _, a := range all {
		entries = append(entries, shardlog.Entry{Key: key, Data: a.Payload, Meta: []byte(a.Topic)})
	}
	_, err := s.Put(ctx, ingest.AnnounceStream, entries, with...)
	return err
}

func (s *site) reply(_ context.Context, client string, a ingest.Announcement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies = append(s.replies, sent{client, a.Topic, a.Payload})
	return nil
}

// stored are the announcements in the log, in their order.
func (s *site) stored(t *testing.T) (all []sent) {
	t.Helper()
	stream, _ := s.Stream(ingest.AnnounceStream)
	page, err := s.Read(t.Context(), stream.Shards[0].ID, shardlog.Cursor{}, shardlog.Budget{Records: 100000, Bytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		all = append(all, sent{r.Key, string(r.Meta), r.Data})
	}
	return all
}

// gateway is one of them, as a device and an operator use it.
type gateway struct {
	*jobs.Service
	t    *testing.T
	site *site
}

// make makes a job, and queues its executions.
func (g *gateway) make(o jobs.Order) jobs.Job {
	g.t.Helper()
	if o.Document == nil && o.File == "" {
		o.Document = json.RawMessage(`{"do":"` + o.Name + `"}`)
	}
	j, err := g.Create(g.t.Context(), o)
	if err != nil {
		g.t.Fatal(err)
	}
	g.Tend(g.t.Context(), true)
	return j
}

// ask publishes a request of a device and answers what it is told: replies and
// announcements, in their order.
func (g *gateway) ask(thing, what, payload string) []sent {
	g.t.Helper()
	return g.publish("$aws/things/"+thing+"/"+what, thing, payload)
}

func (g *gateway) publish(topic, client, payload string) []sent {
	g.t.Helper()
	g.site.mu.Lock()
	g.site.replies = nil
	g.site.mu.Unlock()
	known := len(g.site.stored(g.t))
	if !g.Takes(topic) {
		g.t.Fatalf("%s is not taken", topic)
	}
	if err := g.Serve(g.t.Context(), ingest.Request{ClientID: client, Topic: topic, Payload: []byte(payload)}); err != nil {
		g.t.Fatalf("%s: %v", topic, err)
	}
	return append(append([]sent{}, g.site.replies...), g.site.stored(g.t)[known:]...)
}

// told is a payload of jobs as a device reads it.
type told struct {
	Code           string         `json:"code"`
	Message        string         `json:"message"`
	ClientToken    string         `json:"clientToken"`
	Timestamp      int64          `json:"timestamp"`
	Execution      *execution     `json:"execution"`
	ExecutionState *execution     `json:"executionState"`
	JobDocument    map[string]any `json:"jobDocument"`
	InProgressJobs []execution    `json:"inProgressJobs"`
	QueuedJobs     []execution    `json:"queuedJobs"`
	Jobs           map[string][]execution
}

type execution struct {
	JobID         string            `json:"jobId"`
	ThingName     string            `json:"thingName"`
	JobDocument   map[string]any    `json:"jobDocument"`
	Status        string            `json:"status"`
	StatusDetails map[string]string `json:"statusDetails"`
	StartedAt     int64             `json:"startedAt"`
	VersionNumber int               `json:"versionNumber"`
}

func read(t *testing.T, m sent) (out told) {
	t.Helper()
	if err := json.Unmarshal(m.payload, &out); err != nil {
		t.Fatalf("%s: %s: %v", m.topic, m.payload, err)
	}
	return out
}

// status is what the site knows of a job at a thing.
func (g *gateway) status(job, thing string) jobs.Status {
	g.t.Helper()
	d, err := g.Describe(g.t.Context(), job)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, e := range d.Executions {
		if e.Thing == thing {
			return e.Status
		}
	}
	return ""
}

// near is a time that tests may compare with now.
const near = 5 * time.Second
