package camera

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Camera is one simulated camera. Its methods are safe for concurrent use, but
// Run is called once.
type Camera struct {
	conf Config
	way  *way

	// owned by Run
	video  Video // with the size of now
	muted  bool
	number uint32
	script []Step // what is still to come
	stepAt time.Time
	random *rand.Rand

	mu     sync.Mutex
	stats  Stats   // guarded by mu, without what the way counts
	ledger []Frame // guarded by mu, a ring once it is full
	oldest int     // guarded by mu, where the ring begins
}

// New makes a camera; an error is ErrConfig.
func New(conf Config) (*Camera, error) {
	conf, err := conf.Normal()
	if err != nil {
		return nil, err
	}
	return &Camera{
		conf: conf, video: conf.Video, script: conf.Script,
		random: rand.New(rand.NewPCG(conf.Seed, 1)),
		way:    &way{loss: conf.Loss, random: rand.New(rand.NewPCG(conf.Seed, 2))},
	}, nil
}

// errGone says that the server ended the session, or cannot be reached any more.
var errGone = errors.New("the session was ended by the server")

// Run publishes until the context ends, and publishes anew when the server goes
// away. It returns nil.
func (c *Camera) Run(ctx context.Context) error {
	pause := c.conf.Pause
	for ctx.Err() == nil {
		away, err := c.publish(ctx)
		if err == nil {
			pause = c.conf.Pause
			wait(ctx, away)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		c.failed(err)
		if errors.Is(err, errGone) {
			pause = c.conf.Pause
		}
		var refused *refusal
		if errors.As(err, &refused) {
			wait(ctx, max(0, min(refused.after, time.Hour)-pause))
		}
		wait(ctx, pause/2+rand.N(pause/2+1))
		pause = min(2*pause, 30*c.conf.Pause)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Stats is what the camera did so far.
func (c *Camera) Stats() Stats {
	c.mu.Lock()
	s := c.stats
	c.mu.Unlock()
	c.way.mu.Lock()
	defer c.way.mu.Unlock()
	s.Packets, s.Dropped, s.Bytes = c.way.packets, c.way.dropped, c.way.bytes
	s.Retransmitted = max(0, s.Packets-s.VideoPackets-s.AudioPackets)
	return s
}

// Ledger is a copy of the last frames that were sent, oldest first.
func (c *Camera) Ledger() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(append([]Frame(nil), c.ledger[c.oldest:]...), c.ledger[:c.oldest]...)
}

// remember enters a frame into the ledger.
func (c *Camera) remember(f Frame, packets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.Session = c.stats.Sessions
	c.stats.Frames++
	c.stats.VideoPackets += int64(packets)
	if f.Key {
		c.stats.Keyframes++
	}
	if len(c.ledger) < c.conf.Ledger {
		c.ledger = append(c.ledger, f)
		return
	}
	c.ledger[c.oldest] = f
	c.oldest = (c.oldest + 1) % len(c.ledger)
}

// count changes the statistics.
func (c *Camera) count(change func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.stats)
}

func (c *Camera) failed(err error) {
	c.count(func(s *Stats) {
		s.Failures++
		s.LastError = err.Error()
	})
}
