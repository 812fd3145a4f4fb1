package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"headgate/shardlog"
)

// lookForOrders lies between looks at what people ask of a delivery.
const lookForOrders = time.Second

// orders are what people ask of a delivery, durably and for all gateways: key
// controlKey, value JSON. The state that none were given is the zero value.
type orders struct {
	Paused bool   `json:"paused,omitempty"`
	Seeks  uint64 `json:"seeks,omitempty"` // counts the seeks, so that a running delivery notices
}

func controlKey(delivery string) string { return delivery + "/control" }

// readOrders reads them with their version, zero when none were ever given.
func readOrders(ctx context.Context, states shardlog.States, name string) (orders, shardlog.Version, error) {
	b, version, err := states.Get(ctx, Space, controlKey(name))
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			err = nil
		}
		return orders{}, 0, err
	}
	var o orders
	if err := json.Unmarshal(b, &o); err != nil {
		return orders{}, 0, shardlog.Errorf(shardlog.Corrupt, "read orders of delivery", "%s: %w", name, err)
	}
	return o, version, nil
}

// mutation replaces orders that were read at the version.
func (o orders) mutation(name string, was shardlog.Version) (shardlog.Mutation, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return shardlog.Mutation{}, fmt.Errorf("encode orders: %w", err)
	}
	expect := shardlog.Absent()
	if was != 0 {
		expect = shardlog.At(was)
	}
	return shardlog.Mutation{Space: Space, Key: controlKey(name), Value: b, Expect: expect}, nil
}

// control is what a running delivery knows of its orders.
type control struct {
	mu      sync.Mutex
	known   bool                         // guarded by mu: they were read since Run began
	now     orders                       // guarded by mu
	version shardlog.Version             // guarded by mu
	turns   map[*lane]context.CancelFunc // guarded by mu: lanes at work
	changed chan struct{}                // guarded by mu: closed at every change
}

func newControl() *control {
	return &control{turns: map[*lane]context.CancelFunc{}, changed: make(chan struct{})}
}

// begin waits until the lane may work, for as long as the turn lasts: it ends
// when the orders change. The lane must end it too.
func (c *control) begin(ctx context.Context, ln *lane) (turn context.Context, end func(), err error) {
	for {
		c.mu.Lock()
		if c.known && !c.now.Paused {
			turn, cancel := context.WithCancel(ctx)
			c.turns[ln] = cancel
			c.mu.Unlock()
			return turn, func() { c.end(ln) }, nil
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (c *control) end(ln *lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.turns[ln]; cancel != nil {
		cancel()
		delete(c.turns, ln)
	}
}

// set takes orders as they are now, and ends all turns when they are others.
func (c *control) set(o orders, v shardlog.Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && c.version == v {
		return
	}
	c.known, c.now, c.version = true, o, v
	for _, cancel := range c.turns {
		cancel()
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// forget makes lanes wait until orders are read again.
func (c *control) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = false
}

func (c *control) paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known && c.now.Paused
}

// obey looks for orders until ctx ends. While they cannot be read the last
// ones hold; before any were read, nothing is sent.
func (d *Delivery) obey(ctx context.Context) {
	for ; ctx.Err() == nil; pause(ctx, lookForOrders) {
		o, v, err := readOrders(ctx, d.c.States, d.c.Spec.Name)
		if err == nil {
			d.control.set(o, v)
		} else if ctx.Err() == nil {
			d.note(err)
		}
	}
}
