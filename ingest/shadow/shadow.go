// Package shadow keeps the device shadows of AWS IoT Core, classic and named:
// a document for each thing of what is desired of it and what it reported,
// which both sides find though they are never here at the same time. It does not
// know by what connection requests come, nor how what it announces is sent.
package shadow

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"headgate/ingest"
	"headgate/shardlog"
)

// Limits of the Device Shadow service (AWS IoT Core quotas), and two of ours:
// AWS bounds neither how many shadows a thing has nor how many there are.
const (
	MaxState       = 8 << 10 // bytes of desired and reported, as JSON without blanks
	MaxDepth       = 8       // levels below desired or reported
	MaxClientToken = 64      // bytes
	MaxThing       = 128     // bytes of a thing's name
	MaxName        = 64      // bytes of a shadow's name
	MaxPayload     = 128 << 10
	MaxNamed       = 100    // shadows of one thing
	MaxShadows     = 20_000 // of all things
)

// Config is what a Service needs.
type Config struct {
	States   shardlog.States
	Announce ingest.Announcer
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
	// Most bounds the shadows of all things. Zero: MaxShadows.
	Most int
	// Log gets what nobody can be answered. Nil: slog.Default.
	Log *slog.Logger
}

// Validate answers what is missing.
func (c *Config) Validate() error {
	if c.States == nil || c.Announce == nil {
		return errors.New("shadows: states and announcer are both needed")
	}
	return nil
}

// Service is the Device Shadow service. It is an ingest.Service, safe for
// concurrent use, and starts nothing by itself.
type Service struct {
	config Config
	stats  counters

	mu      sync.Mutex
	count   int       // guarded by mu: the rows there are, as far as is known here
	counted time.Time // guarded by mu: when they were counted; zero: never
}

var _ ingest.Service = (*Service)(nil)

// New makes a Service.
func New(c Config) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Most == 0 {
		c.Most = MaxShadows
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{config: c}, nil
}

// space holds a row for each shadow; FORMAT.md has what is in it.
const space shardlog.Space = "iot.shadow"

// row reads a shadow's row; the zero row, of version zero, when there is none,
// or none that still counts.
func (s *Service) row(ctx context.Context, id ID) (row, shardlog.Version, error) {
	b, version, err := s.config.States.Get(ctx, space, id.key())
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return row{}, 0, nil
	}
	if err != nil {
		return row{}, 0, err
	}
	r, err := decodeRow(b)
	if err != nil {
		return row{}, 0, err
	}
	if r.forgotten(s.config.Now()) {
		r = row{}
	}
	return r, version, nil
}

// write is the mutation that makes the row the shadow's, if it is still at the
// version that was read.
func write(id ID, r row, read shardlog.Version) shardlog.Mutation {
	m := shardlog.Mutation{Space: space, Key: id.key(), Value: r.encode(), Expect: shardlog.Absent()}
	if read > 0 {
		m.Expect = shardlog.At(read)
	}
	return m
}

// How often a change is begun again because another came first, and how much
// longer it waits each time: a gateway that follows learns of the other a moment
// after its leader does.
const (
	maxTries = 20
	patience = 2 * time.Millisecond
)

// again does a change until no other comes between its reading and its
// writing. Kind Throttled: too many came.
func (s *Service) again(ctx context.Context, change func() error) error {
	for n := range maxTries {
		err := change()
		if err == nil || shardlog.KindOf(err) != shardlog.Conflict {
			return err
		}
		s.stats.retries.Add(1)
		select {
		case <-ctx.Done():
			return shardlog.Errorf(shardlog.Unavailable, "change shadow", "%w", ctx.Err())
		case <-time.After(time.Duration(n) * patience):
		}
	}
	return shardlog.Errorf(shardlog.Throttled, "change shadow", "it changes all the time")
}
