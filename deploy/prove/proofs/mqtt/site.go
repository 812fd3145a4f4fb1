package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/prove/internal/trio"
	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
	"headgate/firmware-sim/receiver"
)

// site is the gateways and who talks to them.
type site struct {
	*trio.Site
	o         options
	chance    *rand.Rand // owned by who runs the proof
	world     device.World
	receivers []*inbox
	totals    map[string]fleet.Totals // by the name of the fleet
}

// inbox is a receiver and what it was given.
type inbox struct {
	*receiver.Receiver
	device device.ID // that commands it
	name   string    // "5, QoS 2"

	mu      sync.Mutex
	numbers []uint64 // guarded by mu: of the commands, as they came
	broken  uint64   // guarded by mu: what is no command of that device
}

func newSite(o options) (*site, error) {
	t, err := trio.New(trio.Options{Headgate: o.headgate, Dir: o.dir, Log: true, Gateways: 3, Secure: true, Serve: []string{"--limits", "off", "--log-level", "warn"}})
	if err != nil {
		return nil, err
	}
	s := &site{Site: t, o: o, chance: rand.New(rand.NewPCG(o.seed, 7)), totals: map[string]fleet.Totals{}}
	s.world = device.World{Seed: o.seed, Epoch: time.Now().Truncate(time.Second), Period: time.Second}
	for i := range o.receivers {
		if err := s.addReceiver(i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// kinds of the fleets: no two have a device in common.
const (
	telling    = device.Temperature
	commanding = device.Door
	enrolling  = device.GPS
)

// qos of the devices of each fleet, by turns.
func qos() []byte { return []byte{1, 2} }

// addReceiver adds the receiver of what device i of the commanding fleet
// publishes; of each QoS one speaks 3.1.1, the next 5.
func (s *site) addReceiver(i int) error {
	in := &inbox{device: device.ID{Kind: commanding, Number: uint32(i)}}
	version, level := []int{3, 5}[i/2%2], qos()[i%2]
	in.name = fmt.Sprintf("%d, QoS %d", version, level)
	var err error
	in.Receiver, err = receiver.New(receiver.Config{Brokers: s.brokers(i), Client: fmt.Sprint("receiver-", i), Version: version,
		Filter: "cmd/" + in.device.String() + "/#", QoS: 2, Take: in.take})
	s.receivers = append(s.receivers, in)
	return err
}

func (in *inbox) take(_ string, data []byte) {
	id, n, err := device.Identify(data)
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil || id != in.device || !device.Whole(data) {
		in.broken++
		return
	}
	in.numbers = append(in.numbers, n)
}

// brokers are all gateways, beginning with another for each i.
func (s *site) brokers(i int) []string {
	var all []string
	for k := range s.Gateways {
		all = append(all, s.Gateways[(i+k)%len(s.Gateways)].MQTT)
	}
	return all
}

func (s *site) oracle(name string) string { return filepath.Join(s.o.dir, "oracle-"+name) }

func (s *site) fleet(name string, kind device.Kind) fleet.Config {
	return fleet.Config{Broker: strings.Join(s.brokers(0), ","), QoS: qos(), Versions: []int{3, 5}, Kinds: []device.Kind{kind}, World: s.world, Rate: s.o.rate,
		Devices: s.o.devices, Window: 32, Ramp: 200, Oracle: s.oracle(name), Grace: 30 * time.Second, BackoffMax: 500 * time.Millisecond}
}

// work runs fleets and receivers through the rounds, until all that was sent is
// acknowledged and given.
func (s *site) work(ctx context.Context) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	receivers, hearing := errgroup.WithContext(ctx)
	for _, in := range s.receivers {
		receivers.Go(func() error { return in.Run(hearing) })
	}
	if err := until(hearing, 20*time.Second, "all have subscribed", func() bool { return all(s.receivers, func(in *inbox) bool { return in.Stats().Subscribed }) }); err != nil {
		return errors.Join(err, context.Cause(hearing))
	}
	telling, commanding := s.fleet("telemetry", telling), s.fleet("commands", commanding)
	commanding.Devices, commanding.Topic = s.o.receivers, "cmd/{id}/do"
	fleets, running := errgroup.WithContext(hearing)
	sending, stop := context.WithCancel(running)
	defer stop()
	for name, c := range map[string]fleet.Config{"telemetry": telling, "commands": commanding} {
		f, err := fleet.New(c)
		if err != nil {
			return err
		}
		defer func() { s.totals[name] = f.Totals() }()
		fleets.Go(func() error {
			err := f.Run(sending)
			if n := f.Totals().InFlight; n > 0 && err == nil {
				err = fmt.Errorf("%d messages were never acknowledged", n)
			}
			return err
		})
	}
	err := s.rounds(running)
	stop()
	if err := errors.Join(err, fleets.Wait()); err != nil {
		return errors.Join(err, context.Cause(hearing))
	}
	if err := s.allGiven(hearing); err != nil {
		return errors.Join(err, context.Cause(hearing))
	}
	leave()
	return receivers.Wait()
}

// rounds kills one gateway after the other, as chance wills.
func (s *site) rounds(ctx context.Context) error {
	for range s.o.rounds {
		if err := s.nap(ctx); err != nil {
			return err
		}
		g := s.Gateways[s.chance.IntN(len(s.Gateways))]
		if err := g.Kill(); err != nil {
			return err
		}
		for _, in := range s.receivers {
			if s.chance.IntN(2) == 0 {
				in.Move()
			}
		}
		if err := s.nap(ctx); err != nil {
			return err
		}
		if err := g.Start(""); err != nil {
			return err
		}
		if err := g.Await(ctx, func(now trio.Status) bool { return now.Health.Ready }); err != nil {
			return fmt.Errorf("%s: %w", g.Name, err)
		}
	}
	return s.nap(ctx)
}

// nap waits half a second to two.
func (s *site) nap(ctx context.Context) error {
	select {
	case <-time.After(500*time.Millisecond + time.Duration(s.chance.Int64N(int64(1500*time.Millisecond)))):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// allGiven waits until the receivers were given every command, and a while for
// what they should not be given. What is missing then the judge tells.
func (s *site) allGiven(ctx context.Context) error {
	acked, err := fleet.ReadOracle(s.oracle("commands"))
	if err != nil {
		return err
	}
	have := func(in *inbox) bool { return in.found(acked).missing == 0 }
	if err := until(ctx, 30*time.Second, "", func() bool { return all(s.receivers, have) }); err != nil && ctx.Err() != nil {
		return err
	}
	return s.nap(ctx)
}

// until waits for something, so long at most.
func until(ctx context.Context, most time.Duration, what string, holds func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(most)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("%s: not within %v", what, most)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func all[T any](list []T, holds func(T) bool) bool {
	for _, one := range list {
		if !holds(one) {
			return false
		}
	}
	return true
}
