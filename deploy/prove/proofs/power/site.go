package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
)

// site is gateways on disks, the load on them, and what they acknowledged,
// which lies on no disk that loses its power.
type site struct {
	dir    string
	random *rand.Rand
	nodes  []*node
	book   *book
	tally  tally

	fleet    *fleet.Fleet
	stopping context.CancelFunc
	ended    chan error
}

func newSite(kind string, o options, random *rand.Rand) (*site, error) {
	dir, err := os.MkdirTemp(o.dir, "power-*")
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir, random: random, book: newBook()}
	for i := range o.gateways {
		n, err := newNode(kind, dir, fmt.Sprintf("gateway%d", i+1), o)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		s.nodes = append(s.nodes, n)
	}
	return s, nil
}

// begin mounts and starts everything for the first time: the first gateway
// invites the others.
func (s *site) begin(ctx context.Context) error {
	for i, n := range s.nodes {
		code := ""
		if i > 0 {
			out, err := s.nodes[0].ask(ctx, "invite")
			if err != nil {
				return err
			}
			code = strings.TrimSpace(string(out))
		}
		if err := errors.Join(n.mount(), n.start(code)); err != nil {
			return err
		}
		if err := n.await(ctx); err != nil {
			return err
		}
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.makeStreams(ctx); err != nil {
		return err
	}
	return s.publish()
}

// settle waits until gateways that have peers hold the same.
func (s *site) settle(ctx context.Context) error {
	for _, n := range s.nodes {
		if len(s.nodes) == 1 {
			break
		}
		if err := n.settled(ctx, len(s.nodes)); err != nil {
			return err
		}
	}
	return nil
}

// publish lets devices publish from now on, through all power cuts: what was
// not acknowledged they send again.
func (s *site) publish() (err error) {
	s.fleet, err = fleet.New(fleet.Config{
		Broker: s.nodes[0].mqtt, Devices: 8, Kinds: []device.Kind{device.Temperature, device.GPS}, QoS: []byte{1, 2},
		World: device.World{Seed: 1 + s.random.Uint64N(1<<32), Epoch: time.Now().Truncate(time.Second)},
		Rate:  40, Oracle: s.oracle(), State: filepath.Join(s.dir, "devices"), Ring: 8 << 20, BackoffMax: 300 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stopping, s.ended = cancel, make(chan error, 1)
	go func() { s.ended <- s.fleet.Run(ctx) }() // end and remove wait for it
	return nil
}

func (s *site) oracle() string { return filepath.Join(s.dir, "oracle") }

// start brings them back.
func (s *site) start(ctx context.Context, victims []*node) error {
	for _, n := range victims {
		if err := errors.Join(n.mount(), n.start("")); err != nil {
			return err
		}
	}
	for _, n := range victims {
		if err := n.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// round writes for a while, cuts the power, once in a while again while a
// gateway starts, and reads everything back.
func (s *site) round(ctx context.Context) error {
	load := s.load()
	rest(ctx, time.Duration(150+s.random.IntN(900))*time.Millisecond)
	victims := s.victims()
	err := s.powerCut(victims)
	if len(victims) == len(s.nodes) {
		load() // otherwise the rest goes on
		load = func() {}
	}
	if err == nil && s.random.IntN(4) == 0 {
		err = s.cutWhileStarting(ctx, victims)
	}
	if err == nil {
		err = s.start(ctx, victims)
	}
	load()
	if err == nil {
		err = s.settle(ctx)
	}
	if err != nil {
		return err
	}
	return s.check(ctx)
}

// victims are the gateways that lose their power together: of several one, or
// now and then all.
func (s *site) victims() []*node {
	one := s.random.IntN(len(s.nodes))
	if s.random.IntN(3) == 0 {
		return s.nodes
	}
	return s.nodes[one : one+1]
}

// powerCut stops them all first, so that none can answer for what another has
// on a disk that is about to go.
func (s *site) powerCut(victims []*node) error {
	for _, n := range victims {
		if err := n.freeze(); err != nil {
			return err
		}
	}
	s.tally.cuts++
	if s.random.IntN(2) == 0 {
		s.tally.smeared++
		for _, n := range victims {
			n.smear(s.random)
		}
	}
	var err error
	for _, n := range victims {
		err = errors.Join(err, n.powerCut())
	}
	return err
}

// cutWhileStarting starts them and cuts the power before they are through.
func (s *site) cutWhileStarting(ctx context.Context, victims []*node) error {
	for _, n := range victims {
		if err := errors.Join(n.mount(), n.start("")); err != nil {
			return err
		}
	}
	rest(ctx, time.Duration(s.random.IntN(120))*time.Millisecond)
	s.tally.starting++
	return s.powerCut(victims)
}

// check reads everything with the SDK, from each gateway.
func (s *site) check(ctx context.Context) error {
	for _, n := range s.nodes {
		err := s.caughtUp(ctx, n, stream, func(all []record) (uint64, func()) {
			found := s.book.compare(all)
			return found.missing, func() { s.tally.add(found) }
		})
		if err != nil {
			return err
		}
	}
	s.tally.acked = s.book.count()
	return nil
}

// lag is how long a gateway that was away may show less than the others:
// what a reader does not name, it does not wait for.
const lag = 10 * time.Second

// caughtUp reads a stream until nothing is missing, or for as long as a lag
// may take, and then takes what it saw last.
func (s *site) caughtUp(ctx context.Context, n *node, stream string, look func([]record) (missing uint64, take func())) error {
	for late := time.Now().Add(lag); ; rest(ctx, 200*time.Millisecond) {
		all, err := read(ctx, n.reader(), stream)
		if err != nil {
			return fmt.Errorf("read from %s: %w; %s", n.name, err, n.lives())
		}
		missing, take := look(all)
		if missing == 0 || len(s.nodes) == 1 || time.Now().After(late) {
			take()
			return nil
		}
	}
}

// end stops the devices, counts what they were told, and has every block
// verified.
func (s *site) end(ctx context.Context) error {
	s.stopping()
	if err := <-s.ended; err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	s.stopping = nil
	if err := s.settle(ctx); err != nil {
		return err
	}
	acked, err := fleet.ReadOracle(s.oracle())
	if err != nil {
		return err
	}
	s.tally.published += acked.Len()
	for _, n := range s.nodes {
		err := s.caughtUp(ctx, n, "telemetry", func(all []record) (uint64, func()) {
			found := devices(acked, all)
			return found.missing, func() { s.tally.add(found) }
		})
		if err != nil {
			return err
		}
	}
	for _, n := range s.nodes {
		if err := errors.Join(n.verify(ctx), n.stop(), n.verify(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// devices counts what the devices' messages became.
func devices(acked *fleet.Acked, records []record) (t tally) {
	checker, exact := fleet.NewChecker(acked), map[string]bool{}
	for _, r := range records {
		checker.Add(r.key, r.data, r.arrived)
		id, n, err := device.Identify(r.data)
		if err != nil || id.Kind != device.GPS {
			continue
		}
		name := fmt.Sprint(id, n)
		if exact[name] {
			t.twice++ // QoS 2
		}
		exact[name] = true
	}
	report := checker.Report()
	t.read, t.missing, t.altered, t.again = report.Records, report.Missing, report.Altered+report.Foreign, report.Duplicates
	return t
}

// remove takes everything away, whatever happened.
func (s *site) remove() error {
	if s.stopping != nil {
		s.stopping()
		<-s.ended
	}
	var err error
	for _, n := range s.nodes {
		n.kill()
		err = errors.Join(err, n.unmount())
	}
	if err != nil {
		return err // the folder still holds a mount
	}
	return os.RemoveAll(s.dir)
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
