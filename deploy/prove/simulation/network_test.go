package simulation_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// network carries bytes and calls between hosts: late, out of order between
// connections, or not at all. Hosts are numbers; whoever lives there answers.
type network struct {
	seed  uint64
	drawn atomic.Uint64

	mu      sync.Mutex
	homes   []*life            // by host, nil while nobody is there
	ways    map[pair]*way      // from, to
	ends    map[*half]struct{} // every direction of every connection
	changed chan struct{}      // closed at the next change of a way or home
	least   time.Duration      // delay of every message
	most    time.Duration
	loss    float64 // of a call's question or answer
}

type pair struct{ from, to int }

// way is one direction between two hosts.
type way struct {
	cuts int // faults that cut it
}

func newNetwork(seed uint64, hosts int) *network {
	return &network{seed: seed, homes: make([]*life, hosts), ways: map[pair]*way{}, ends: map[*half]struct{}{}, changed: make(chan struct{})}
}

// draw is a random source for one thing that happens. Which draw meets which
// message is up to the order of goroutines.
func (n *network) draw() *rand.Rand {
	return rand.New(rand.NewPCG(n.seed, n.drawn.Add(1)))
}

func (n *network) delay() time.Duration {
	if n.most <= n.least {
		return n.least
	}
	// Most messages are quick; some take the whole time.
	r := n.draw()
	f := r.Float64()
	return n.least + time.Duration(f*f*f*float64(n.most-n.least))
}

func (n *network) lost() bool { return n.loss > 0 && n.draw().Float64() < n.loss }

// change edits the ways, and wakes whoever waits for them.
func (n *network) change(edit func()) {
	n.mu.Lock()
	edit()
	close(n.changed)
	n.changed = make(chan struct{})
	all := make([]*half, 0, len(n.ends))
	for h := range n.ends {
		all = append(all, h)
	}
	n.mu.Unlock()
	for _, h := range all {
		h.wake()
	}
}

func (n *network) way(from, to int) *way {
	w := n.ways[pair{from, to}]
	if w == nil {
		w = &way{}
		n.ways[pair{from, to}] = w
	}
	return w
}

// passes reports whether messages get from one host to another.
func (n *network) passes(from, to int) (bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.way(from, to).cuts == 0, n.changed
}

func (n *network) home(host int) (*life, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if host < 0 || host >= len(n.homes) {
		return nil, n.changed
	}
	return n.homes[host], n.changed
}

// settle lets a life in, or nobody. Connections of who lived there before are
// reset on the far side: the host says that it does not know them.
func (n *network) settle(host int, l *life) {
	n.mu.Lock()
	var old []*half
	for h := range n.ends {
		if l != nil && (h.from == host && h.writer != l || h.to == host && h.reader != l) {
			old = append(old, h)
		}
	}
	n.mu.Unlock()
	n.change(func() { n.homes[host] = l })
	for _, h := range old {
		h.reset()
	}
}

// hangUp ends all connections of a life: the near ends at once, the far ones
// too if told, else they hear nothing any more.
func (n *network) hangUp(l *life, tell bool) {
	n.mu.Lock()
	var all []*half
	for h := range n.ends {
		if h.writer == l || h.reader == l {
			all = append(all, h)
		}
	}
	n.mu.Unlock()
	for _, h := range all {
		if tell || h.reader == l {
			h.reset()
		} else {
			h.silence()
		}
	}
}

// drop resets all connections between two hosts.
func (n *network) drop(a, b int) {
	n.mu.Lock()
	var all []*half
	for h := range n.ends {
		if h.from == a && h.to == b || h.from == b && h.to == a {
			all = append(all, h)
		}
	}
	n.mu.Unlock()
	for _, h := range all {
		h.reset()
	}
}

// travel takes as long as a message does from one host to another; while the
// way is cut it waits. It ends with ctx.
func (n *network) travel(ctx context.Context, from, to int) error {
	if err := rest(ctx, n.delay()); err != nil {
		return err
	}
	for {
		open, changed := n.passes(from, to)
		if open {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rest waits, unless ctx ends first.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
