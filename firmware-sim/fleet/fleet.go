package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/limit"
)

// Fleet is a number of devices. Make one with New, run it once.
type Fleet struct {
	conf   Config
	nodes  []*node
	rings  rings
	oracle *os.File
	ledger *ledger
	gate   *gate
	count  counters

	soft    <-chan struct{} // closed: send nothing new, finish what is in flight
	hard    context.Context // done: leave
	settled chan struct{}   // closed: every device has finished
}

// New opens the fleet's files and makes its devices; nothing runs yet. A fleet
// whose files exist goes on where they end: with their seed and clock, behind
// the last message acknowledged, and first with what the rings still hold.
func New(conf Config) (*Fleet, error) {
	conf, err := conf.normal()
	if err != nil {
		return nil, err
	}
	if err := limit.Files(conf.Devices); err != nil {
		return nil, err
	}
	f := &Fleet{conf: conf, gate: newGate(conf.Ramp), settled: make(chan struct{})}
	acked, err := f.open()
	if err == nil {
		err = f.make(acked)
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// World is the world the devices live in.
func (f *Fleet) World() device.World { return f.conf.World }

// open opens oracle and rings and settles on one world.
func (f *Fleet) open() (*Acked, error) {
	acked := &Acked{World: f.conf.World, Devices: map[device.ID]*AckedDevice{}}
	asked := f.conf.World.Seed
	var err error
	if f.conf.State != "" {
		if f.rings, err = openRings(f.conf.State, f.conf.Devices, f.conf.Ring); err != nil {
			return nil, err
		}
		mark, known, err := openOracle(filepath.Join(f.conf.State, "world"), acked.World)
		if err != nil {
			return nil, fmt.Errorf("open state: %w", err)
		}
		acked.World = known.World
		if err := mark.Close(); err != nil {
			return nil, fmt.Errorf("open state: %w", err)
		}
	}
	if f.conf.Oracle != "" {
		world := acked.World
		if f.oracle, acked, err = openOracle(f.conf.Oracle, world); err != nil {
			return nil, fmt.Errorf("open oracle: %w", err)
		}
		if f.conf.State != "" && acked.World != world {
			return nil, fmt.Errorf("oracle and state belong to different fleets: seeds %d and %d", acked.World.Seed, world.Seed)
		}
	}
	if asked != 0 && asked != acked.World.Seed {
		return nil, fmt.Errorf("the fleet's files were made with seed %d, not %d", acked.World.Seed, asked)
	}
	f.conf.World = acked.World
	f.ledger = newLedger(f.oracle, func(n int) { f.count.acked.Add(int64(n)) })
	return acked, nil
}

// make makes the devices and gives each what its ring still holds.
func (f *Fleet) make(acked *Acked) error {
	f.nodes = make([]*node, f.conf.Devices)
	for i := range f.nodes {
		id := device.ID{Kind: f.conf.Kinds[i%len(f.conf.Kinds)], Number: uint32(i)}
		dev, err := f.conf.World.Device(id)
		if err != nil {
			return err
		}
		n := &node{fleet: f, number: i, dev: dev, name: id.String(), qos: f.conf.QoS[i%len(f.conf.QoS)], version: f.conf.version(i), ring: f.rings.of(i)}
		n.topic = strings.NewReplacer("{id}", n.name, "{kind}", string(id.Kind)).Replace(f.conf.Topic)
		n.window = newWindow(n.acknowledged)
		n.wait.most = f.conf.BackoffMax
		n.next = 1
		if a := acked.Devices[id]; a != nil {
			n.next = a.Numbers.Max() + 1
		}
		f.nodes[i] = n
	}
	for _, ring := range f.rings {
		if err := f.refill(ring, acked); err != nil {
			return err
		}
	}
	return nil
}

// refill queues what a ring holds, except for what was acknowledged after its
// last sync.
func (f *Fleet) refill(ring *device.Ring, acked *Acked) error {
	var data []byte
	for b := range ring.All() {
		var err error
		if data, err = ring.Read(b.Number, data[:0]); err != nil {
			return err
		}
		id, number, err := device.Identify(data)
		if err != nil || int(b.Device) >= len(f.nodes) || f.nodes[b.Device].dev.ID != id || number != b.N {
			return fmt.Errorf("the state folder belongs to a fleet with other devices (it holds message %d of %s)", b.N, id)
		}
		n := f.nodes[b.Device]
		if a := acked.Devices[id]; a != nil && a.Numbers.Has(b.N) {
			ring.Release(b.Number)
			continue
		}
		n.queue = append(n.queue, queued{n: b.N, record: b.Number})
		n.next = max(n.next, b.N+1)
	}
	return nil
}

// Run runs the fleet until every device has sent all its messages and has them
// acknowledged, the duration is over, or ctx ends. After a stop it waits up to
// Grace for what is in flight. Not having finished is no error: Totals says it.
// An error means that the fleet could not do its work, or keep its books.
func (f *Fleet) Run(ctx context.Context) error {
	begun := time.Now()
	f.count.begun.Store(&begun)
	defer func() { f.count.took.Store(int64(time.Since(begun))) }()
	soft, stop := context.WithCancel(ctx)
	defer stop()
	if f.conf.Duration > 0 {
		soft, stop = context.WithTimeout(soft, f.conf.Duration)
		defer stop()
	}
	hard, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	f.soft, f.hard = soft.Done(), hard
	defer context.AfterFunc(soft, func() { time.AfterFunc(f.conf.Grace, abort) })()

	books := make(chan struct{})
	var keepers, devices sync.WaitGroup
	var ledgerErr, ringErr error
	keepers.Go(func() {
		if ledgerErr = f.ledger.run(books); ledgerErr != nil {
			abort()
		}
	})
	keepers.Go(func() {
		if ringErr = f.rings.run(books); ringErr != nil {
			abort()
		}
	})
	failed := make(chan error, 1)
	for _, n := range f.nodes {
		n.first, n.start = n.next, begun.Add(f.phase())
		devices.Go(func() {
			if err := n.run(); err != nil {
				select {
				case failed <- err:
				default:
				}
				abort()
			}
		})
	}
	devices.Wait()
	close(books)
	keepers.Wait()
	var err error
	select {
	case err = <-failed:
	default:
	}
	return errors.Join(err, ledgerErr, ringErr, f.close())
}

// phase spreads the samples of devices with a clock over one period.
func (f *Fleet) phase() time.Duration {
	if f.conf.Rate == 0 {
		return 0
	}
	return time.Duration(rand.Float64() / f.conf.Rate * float64(time.Second))
}

func (f *Fleet) close() error {
	var err error
	if f.oracle != nil {
		err = f.oracle.Close()
	}
	return errors.Join(err, f.rings.close())
}

// Totals says what the fleet did so far. It may be called at any time.
func (f *Fleet) Totals() Totals {
	c := &f.count
	t := Totals{
		Devices: len(f.nodes), Finished: int(c.finished.Load()),
		Connected: c.connected.Load(), MostAtOnce: c.most.Load(), Connects: c.connects.Load(),
		Failures: c.failures.Load(), Losses: c.losses.Load(), Forgotten: c.forgotten.Load(),
		Sent: c.sent.Load(), Repeated: c.repeated.Load(), Acknowledged: c.acked.Load(),
		InFlight: c.inFlight.Load(), Unanswered: c.unanswered.Load(),
		AckMedian: c.latency.quantile(0.5), Ack99: c.latency.quantile(0.99),
	}
	if begun := c.begun.Load(); begun != nil {
		t.Elapsed = time.Since(*begun)
	}
	if took := c.took.Load(); took > 0 {
		t.Elapsed = time.Duration(took)
	}
	t.Buffered, t.Dropped = f.rings.stats()
	if text := c.lastError.Load(); text != nil {
		t.LastError = *text
	}
	return t
}
