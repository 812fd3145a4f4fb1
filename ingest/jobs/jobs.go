// Package jobs is what devices are to do, how far each of them is, and the file
// that they need for it: AWS IoT's jobs and its file delivery by MQTT. It knows
// no broker: what it is asked and what it answers are messages.
package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// Config is what the service rests on. Every field is needed but Now and Log.
type Config struct {
	States   shardlog.States
	Announce ingest.Announcer
	// Reply sends an answer that changed nothing to the client that asked, at
	// most once (QoS 0), and stores nothing. It keeps nothing of a after it
	// returned. An error means that the client will not get it.
	Reply   func(ctx context.Context, clientID string, a ingest.Announcement) error
	Writer  shardlog.Writer // of files
	Reader  shardlog.Reader
	Catalog shardlog.Catalog
	Control shardlog.Control

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

// Service is the jobs of a site at one gateway. Any number of gateways may
// serve the same state. It is safe for concurrent use.
type Service struct {
	c      Config
	counts counters
	chunks cache
	wake   chan struct{} // of capacity 1: there is something to tend
}

var _ ingest.Service = (*Service)(nil)

// New makes the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	if c.States == nil || c.Announce == nil || c.Reply == nil || c.Writer == nil || c.Reader == nil || c.Catalog == nil || c.Control == nil {
		return nil, errors.New("jobs: a part is missing")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{c: c, wake: make(chan struct{}, 1)}, nil
}

// now has the precision that rows keep.
func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// Takes is part of the contract ingest.Service.
func (s *Service) Takes(name string) bool {
	_, ok := splitTopic(name)
	return ok
}

// Serve is part of the contract ingest.Service. Answers to requests that
// changed nothing, refusals among them, go by Config.Reply.
func (s *Service) Serve(ctx context.Context, r ingest.Request) error {
	t, ok := parseTopic(r.Topic)
	if !ok {
		return shardlog.Errorf(shardlog.Denied, "serve jobs", "%q is a topic of answers", r.Topic)
	}
	s.counts.requests.Add(1)
	if t.area == streamsArea {
		return s.serveStream(ctx, t, r)
	}
	return s.serveJobs(ctx, t, r)
}

func (s *Service) serveJobs(ctx context.Context, t topic, r ingest.Request) error {
	ask, fault := decodeRequest(r.Payload)
	if t.operation == opNone {
		fault = refuse(InvalidTopic, "no operation has this topic")
	}
	var err error
	if fault == nil {
		switch t.operation {
		case opPending:
			err = s.pending(ctx, t, r, ask)
		case opStartNext:
			err = s.startNext(ctx, t, r, ask)
		case opDescribe:
			err = s.describe(ctx, t, r, ask)
		case opUpdate:
			err = s.update(ctx, t, ask)
		}
		if !errors.As(err, &fault) {
			return err
		}
	}
	s.counts.refuse(fault.code)
	return s.reply(ctx, r, t.name+"/rejected", fault.answer(ask.ClientToken, s.now()))
}

// reply answers the client that asked. That it has gone is no error: who comes
// back asks again.
func (s *Service) reply(ctx context.Context, r ingest.Request, topic string, payload []byte) error {
	err := s.c.Reply(ctx, r.ClientID, ingest.Announcement{Topic: topic, Payload: payload})
	if err != nil {
		s.counts.unsent.Add(1)
		s.c.Log.Debug("an answer was not sent", "client", r.ClientID, "topic", topic, "error", err)
	}
	return nil
}
