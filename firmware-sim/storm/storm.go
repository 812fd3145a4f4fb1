package storm

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"sync"
	"time"

	"headgate/firmware-sim/limit"
)

// Storm is a number of devices. Make one with New, run it once.
type Storm struct {
	conf    Config
	devices []*device
	tally   tally
}

// New makes the devices; nothing connects yet. ErrConfig, or that the system
// does not let a process have so many connections.
func New(conf Config) (*Storm, error) {
	conf, err := conf.normal()
	if err != nil {
		return nil, err
	}
	if err := limit.Files(conf.Devices); err != nil {
		return nil, err
	}
	s := &Storm{conf: conf, devices: make([]*device, conf.Devices)}
	for i := range s.devices {
		d := &device{storm: s, connect: conf.Connect(i), random: rand.New(rand.NewPCG(conf.Seed, uint64(i)))}
		if conf.TLS != nil {
			d.tls = conf.TLS(i)
		}
		s.devices[i] = d
	}
	return s, nil
}

// Run runs all rounds, or until ctx ends. Devices that did not get in are no
// error: the Report says it.
func (s *Storm) Run(ctx context.Context) Report {
	r := Report{Seed: s.conf.Seed, Devices: len(s.devices), TLS: s.conf.TLS != nil}
	for range s.conf.Rounds {
		if ctx.Err() != nil {
			break
		}
		r.Rounds = append(r.Rounds, s.round(ctx))
	}
	return r
}

// round connects all devices, holds them, and drops them without a goodbye.
func (s *Storm) round(ctx context.Context) Round {
	s.tally.reset()
	ctx, drop := context.WithCancel(ctx)
	defer drop()
	var in, all sync.WaitGroup
	begun := time.Now()
	for i, d := range s.devices {
		in.Add(1)
		at := begun
		if s.conf.Rate > 0 {
			at = begun.Add(time.Duration(float64(i) / s.conf.Rate * float64(time.Second)))
		}
		all.Go(func() { d.run(ctx, at, in.Done) })
	}
	in.Wait()
	took := time.Since(begun)
	wait(ctx, s.conf.Hold)
	result := s.tally.round(took)
	drop()
	all.Wait()
	return result
}

// wait waits that long, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Progress says how many are connected now, how many connects were refused or
// failed in this round, and why the last one was. It may be called at any time.
func (s *Storm) Progress() (connected, failed int, last string) { return s.tally.progress() }

// Each makes a TLS configuration for each device from one and gives it a
// session cache of its own, so that it can resume after a drop, as itself.
func Each(base func(device int) *tls.Config, resume bool) func(int) *tls.Config {
	return func(i int) *tls.Config {
		c := base(i)
		if resume {
			c = c.Clone()
			c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		}
		return c
	}
}
