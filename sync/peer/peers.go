package peer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"headgate/shardlog"
)

// Peer is another gateway of the site as this one sees it.
type Peer struct {
	ID, Address string
	Reachable   bool
	Since       time.Time     // since when it is, or is not, reachable
	Contact     time.Time     // of the last hello; zero: never
	RoundTrip   time.Duration // of the last hello
	Least       time.Duration // the shortest since it is reachable
	Offset      time.Duration // its clock less ours, by the shortest of the last few hellos
	Hello       Hello         // the last; zero: never
	Err         error         // why it cannot be reached, or cannot be spoken with
}

// keptSamples is how many hellos are looked at for a clock's offset: the one
// with the shortest way says most.
const keptSamples = 8

// stepped is how far an offset jumps, beyond what the way explains, when one
// of the two clocks was set.
const stepped = 10 * time.Second

type sample struct{ trip, offset time.Duration }

// state is what is known of a peer.
type state struct {
	peer    Peer
	samples []sample
	stop    context.CancelFunc
}

// Peers are the other gateways of the site, by id.
func (l *Links) Peers() []Peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Peer, 0, len(l.states))
	for _, s := range l.states {
		all = append(all, s.peer)
	}
	slices.SortFunc(all, func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Offset is the median of how far the clocks of others are ahead of this one,
// over the n reachable peers whose clocks are synced; zero when n is.
func (l *Links) Offset() (offset time.Duration, n int) {
	var all []time.Duration
	for _, p := range l.Peers() {
		if p.Reachable && p.Hello.Synced {
			all = append(all, p.Offset)
		}
	}
	return median(all), len(all)
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	low, high := all[(len(all)-1)/2], all[len(all)/2]
	return low + (high-low)/2
}

// poll asks every member how it is, each on its own, until ctx ends.
func (l *Links) poll(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(l.c.Interval)
	defer tick.Stop()
	for {
		for id, follows := range l.follow(ctx) {
			asking.Go(func() { l.ask1(follows, id) })
		}
		l.dropRemoved()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// follow takes note of who belongs to the site: those who left are forgotten,
// and it answers who is new, with the context to ask them in.
func (l *Links) follow(ctx context.Context) map[string]context.Context {
	members := l.c.Members()
	now := time.Now()
	fresh := map[string]context.Context{}
	there := map[string]bool{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range members {
		if m.ID == l.c.ID || !validID(m.ID) {
			continue
		}
		there[m.ID] = true
		s := l.states[m.ID]
		if s == nil {
			s = &state{peer: Peer{ID: m.ID, Since: now, Err: shardlog.Errorf(shardlog.Unavailable, "ask gateway "+m.ID, "it was not asked yet")}}
			fresh[m.ID], s.stop = context.WithCancel(ctx)
			l.states[m.ID] = s
		}
		s.peer.Address = m.Address
	}
	for id, s := range l.states {
		if !there[id] {
			s.stop()
			delete(l.states, id)
			l.abandon(id)
		}
	}
	return fresh
}

// abandon drops the connections for calls to a gateway; the caller holds mu.
func (l *Links) abandon(id string) {
	delete(l.routes, routeKey{id, false})
	delete(l.routes, routeKey{id, true})
	l.severAll(func(c *conn) bool { return !c.inbound && c.id == id })
}

// ask1 asks one gateway how it is until ctx ends.
func (l *Links) ask1(ctx context.Context, id string) {
	tick := time.NewTicker(l.c.Interval)
	defer tick.Stop()
	for {
		h, s, err := l.hello(ctx, id)
		if ctx.Err() != nil {
			return
		}
		l.note(id, h, s, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

var errNoHello = errors.New("it is connected but does not say hello")

// maxHello bounds a hello.
const maxHello = 64 << 10

// hello asks a gateway how it is.
func (l *Links) hello(ctx context.Context, id string) (h Hello, s sample, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var began time.Time
	var wall time.Time
	r, err := l.askAnyway(ctx, routeKey{id, false}, "GET", helloPath, nil, func() {
		late := time.AfterFunc(l.c.Patience, func() { cancel(errNoHello) })
		context.AfterFunc(ctx, func() { late.Stop() })
		began, wall = time.Now(), l.c.Now()
	})
	if err != nil {
		if errors.Is(context.Cause(ctx), errNoHello) {
			err = unanswered(id, errNoHello)
		}
		return h, s, err
	}
	defer r.Body.Close()
	s.trip = time.Since(began)
	text, err := io.ReadAll(io.LimitReader(r.Body, maxHello))
	if err != nil {
		return h, s, unanswered(id, err)
	}
	if err := json.Unmarshal(text, &h); err != nil || h.ID != id {
		return Hello{}, s, shardlog.Errorf(shardlog.Internal, "ask gateway "+id, "it does not say hello: %.80q", text)
	}
	s.offset = h.Wall.Sub(wall.Add(s.trip / 2))
	return h, s, nil
}

// note keeps what a gateway said, or that it said nothing.
func (l *Links) note(id string, h Hello, s sample, err error) {
	now := time.Now() // how long ago matters, whatever the wall clock thinks
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.states[id]
	if st == nil {
		return
	}
	p := &st.peer
	if p.Reachable != (err == nil) {
		p.Reachable, p.Since = err == nil, now
		st.samples, p.Least = nil, 0
		l.c.Log.Info("peer", "gateway", id, "reachable", p.Reachable, "error", err)
	}
	if p.Err = err; err != nil {
		return
	}
	p.Contact, p.Hello, p.RoundTrip = now, h, s.trip
	if p.Least == 0 || s.trip < p.Least {
		p.Least = s.trip
	}
	if (s.offset - p.Offset).Abs() > s.trip+stepped {
		st.samples = nil // a clock was set: what was seen before says nothing
	}
	if st.samples = append(st.samples, s); len(st.samples) > keptSamples {
		st.samples = st.samples[1:]
	}
	p.Offset = slices.MinFunc(st.samples, func(a, b sample) int { return cmp.Compare(a.trip, b.trip) }).offset
	p.Err = l.incompatible(id, h.Protocol)
}

// speaks says why a gateway must not be called, by what it last said.
func (l *Links) speaks(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.states[id]; s != nil && !s.peer.Contact.IsZero() {
		return l.incompatible(id, s.peer.Hello.Protocol)
	}
	return nil
}

// Stats count what the links did since they were made.
type Stats struct {
	Open     int    // connections now, both ways
	Accepted uint64 // connections that came in
	Failed   uint64 // of them, without a handshake or over the bounds
	Refused  uint64 // of them, refused in the greeting
	Calls    uint64 // calls made, hellos included
	Served   uint64 // calls answered, hellos included
	Joins    uint64 // newcomers let in
}

// Stats are the counts of this moment.
func (l *Links) Stats() Stats {
	l.mu.Lock()
	open := len(l.open)
	l.mu.Unlock()
	c := &l.counters
	return Stats{Open: open, Accepted: c.accepted.Load(), Failed: c.failed.Load(), Refused: c.refused.Load(),
		Calls: c.calls.Load(), Served: c.served.Load(), Joins: c.joins.Load()}
}
