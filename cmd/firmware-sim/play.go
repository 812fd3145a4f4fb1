package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fault"
	"headgate/firmware-sim/fleet"
	"headgate/firmware-sim/scenario"
)

// play is a fleet with all that is to befall it.
type play struct {
	conf    fleet.Config
	output  string
	anySeed bool // nobody said which
	plan    fault.Plan
	link    *scenario.Link
	steps   []scenario.Step

	faults *fault.Injector
	folder string // of rings that nobody asked to keep
}

// clear removes what was made for this play only.
func (p *play) clear() {
	if p.folder != "" {
		_ = os.RemoveAll(p.folder) // in the system's folder for temporary files
	}
}

// run runs a fleet with progress on stderr, and prints its totals.
func (p *play) run(c *cobra.Command) error {
	if p.anySeed {
		seed, err := seedFor(p.conf)
		if err != nil {
			return err
		}
		p.conf.World.Seed = seed
	}
	if p.plan[fault.PowerCut] > 0 && p.conf.State == "" {
		return usageError{errors.New("power cuts need --state, a folder of what the devices keep")}
	}
	p.faults = fault.New(p.plan, p.conf.World.Seed)
	p.clocks()
	p.conf.Dial = p.faults.Dial(p.conf.Dial)

	ctx, stop := context.WithCancel(c.Context())
	var links sync.WaitGroup
	defer links.Wait()
	defer stop()
	if err := p.network(ctx, &links); err != nil {
		return err
	}
	return p.lives(c)
}

// clocks sets the devices' clocks wrong, where the plan says so.
func (p *play) clocks() {
	if p.plan[fault.Clock1970] == 0 && p.plan[fault.ClockJump] == 0 {
		return
	}
	now := p.conf.World.Epoch
	p.conf.World.Epoch = time.Unix(0, 0)
	p.faults.Count(fault.Clock1970)
	if p.plan[fault.ClockJump] > 0 {
		p.conf.World.Jump = now.Sub(p.conf.World.Epoch)
		p.faults.Count(fault.ClockJump)
	}
}

// network puts links between the devices and the brokers.
func (p *play) network(ctx context.Context, all *sync.WaitGroup) error {
	if p.link == nil {
		return nil
	}
	var links []*fault.Link
	var at []string
	for i, broker := range strings.Split(p.conf.Broker, ",") {
		l := &fault.Link{To: broker, Latency: p.link.Latency, Loss: p.link.Loss, Seed: p.conf.World.Seed + uint64(i)}
		address, err := l.Listen()
		if err != nil {
			return fmt.Errorf("open link: %w", err)
		}
		links, at = append(links, l), append(at, address)
		all.Go(func() { _ = l.Run(ctx) }) // it ends with ctx; devices notice earlier ends
	}
	p.conf.Broker = strings.Join(at, ",")
	all.Go(func() {
		begun := time.Now()
		for _, step := range p.steps {
			select {
			case <-time.After(time.Until(begun.Add(step.At))):
			case <-ctx.Done():
				return
			}
			for _, l := range links {
				l.Partition(step.Partition)
			}
		}
	})
	return nil
}

// lives runs the fleet, again after each power cut.
func (p *play) lives(c *cobra.Command) error {
	begun, duration := time.Now(), p.conf.Duration
	for {
		f, err := fleet.New(p.conf)
		if errors.Is(err, fleet.ErrConfig) {
			return usageError{err}
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "seed %d, %d devices, broker %s\n", f.World().Seed, p.conf.Devices, p.conf.Broker)
		stop := watch(c.ErrOrStderr(), f.Totals)
		err = p.life(c.Context(), f)
		stop()
		if errors.Is(err, device.ErrPowerCut) && c.Context().Err() == nil && (duration == 0 || time.Since(begun) < duration) {
			if duration > 0 {
				p.conf.Duration = max(duration-time.Since(begun), time.Millisecond)
			}
			continue
		}
		return p.end(c, f, err)
	}
}

// life runs a fleet until it ends or its power does.
func (p *play) life(ctx context.Context, f *fleet.Fleet) error {
	chance := p.plan[fault.PowerCut]
	if chance == 0 {
		return f.Run(ctx)
	}
	done := make(chan struct{})
	var cutter sync.WaitGroup
	cutter.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			if rand.Float64() < chance {
				if f.PowerCut() == nil {
					p.faults.Count(fault.PowerCut)
				}
				return
			}
		}
	})
	err := f.Run(ctx)
	close(done)
	cutter.Wait()
	return err
}

// end prints what a fleet did; after power cuts, in its last life.
func (p *play) end(c *cobra.Command, f *fleet.Fleet, err error) error {
	t := f.Totals()
	if printErr := printTotals(c.OutOrStdout(), p.output, f.World().Seed, t); printErr != nil {
		return errors.Join(err, printErr)
	}
	counts := p.faults.Counts()
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(c.ErrOrStderr(), "fault %s: %d times\n", name, counts[name])
	}
	if err != nil {
		return err
	}
	interrupted := errors.Is(c.Context().Err(), context.Canceled)
	if p.conf.Messages > 0 && t.Finished < t.Devices && !interrupted || p.conf.Messages == 0 && t.InFlight > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "%d of %d devices finished, %d messages in flight\n", t.Finished, t.Devices, t.InFlight)
		return errFailed
	}
	return nil
}
