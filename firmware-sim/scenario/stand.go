package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/packet"
)

// mostNodes bounds devices that are not of a fleet.
const mostNodes = 10_000

// Setting is where a scenario that has no fleet is played.
type Setting struct {
	Broker             string
	Dial               func(ctx context.Context, id device.ID, address string) (net.Conn, error)
	Username, Password string
	World              device.World
}

// Result counts messages of a scenario that has no fleet.
type Result struct {
	Devices      int    `json:"devices"`
	Acknowledged uint64 `json:"acknowledged"`
	Connects     uint64 `json:"connects"`
}

// counts is a Result that many devices write.
type counts struct {
	mu sync.Mutex
	Result
}

func (c *counts) acked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Acknowledged++
}

func (c *counts) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Connects++
}

// Play plays a Sparkplug or LoRaWAN scenario until all messages are
// acknowledged or ctx ends. Not having ended is an error of ctx.
func Play(ctx context.Context, s Scenario, at Setting) (Result, error) {
	var c counts
	var err error
	if s.Sparkplug != nil {
		c.Devices = s.Sparkplug.Nodes
		err = s.Sparkplug.play(ctx, at, &c)
	} else {
		c.Devices = s.LoRaWAN.Devices
		err = s.LoRaWAN.play(ctx, at, &c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Result, err
}

// outPause is how long a device waits before it connects again.
const outPause = 500 * time.Millisecond

// stay connects, again and again, and calls serve with each connection until it
// answers nil or ctx ends.
func (at Setting) stay(ctx context.Context, id device.ID, who func() packet.Connect, serve func(context.Context, *packet.Conn) error) error {
	for {
		err := at.once(ctx, id, who(), serve)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := pause(ctx, outPause); err != nil {
			return err
		}
	}
}

func (at Setting) once(ctx context.Context, id device.ID, who packet.Connect, serve func(context.Context, *packet.Conn) error) error {
	raw, err := at.Dial(ctx, id, at.Broker)
	if err != nil {
		return err
	}
	who.Username, who.Password, who.KeepAlive = at.Username, at.Password, 60
	c, err := packet.Open(ctx, raw, who)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var reader sync.WaitGroup
	defer reader.Wait()
	reader.Go(func() { _ = c.Run(ctx) }) // how it ended, serve hears
	err = serve(ctx, c)
	if err == nil {
		err = c.Close()
	}
	stop()
	return err
}

// pause waits that long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// every is the pause between messages of a rate; none for zero.
func every(rate float64) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}

// reading is a number that a device measured.
type reading struct {
	Name  string
	Value float64
}

// sample is what a device measured as message n: a pure function of both, as
// the payload is from which it is taken. Names are in order.
func sample(d *device.Device, n uint64) (stamp int64, all []reading, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(d.Append(nil, n), &fields); err != nil {
		return 0, nil, fmt.Errorf("sample %d of %s: %w", n, d.ID, err)
	}
	for name, raw := range fields {
		var v float64
		if json.Unmarshal(raw, &v) != nil {
			continue
		}
		switch name {
		case "ts":
			stamp = int64(v)
		case "seq":
		default:
			all = append(all, reading{name, v})
		}
	}
	slices.SortFunc(all, func(a, b reading) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return stamp, all, nil
}
