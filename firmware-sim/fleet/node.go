package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headgate/firmware-sim/device"
)

// flushAt is how many bytes gather before a burst is sent in part.
const flushAt = 32 << 10

// node is one device of a running fleet. Everything but the window belongs to
// the goroutine that runs it.
type node struct {
	fleet   *Fleet
	number  int
	dev     *device.Device
	name    string // device id, client id, partition key
	topic   string
	qos     byte
	version int // of MQTT: 3 or 5
	failed  int // connects and connections, so far: where in the list of brokers the device is
	window  *window
	ring    *device.Ring // nil: no offline buffer but memory

	first, next uint64    // the first sample of this run, the next to take
	start       time.Time // when sample first is due
	queue       []queued  // in the ring and not sent yet
	finished    bool      // and counted so
	wait        backoff
	scratch     []byte
}

// queued is a sample that waits in the ring.
type queued struct{ n, record uint64 }

// run connects, sends, and connects again until the device is through.
func (n *node) run() error {
	f := n.fleet
	if n.qos == 2 { // the broker may remember packet ids of an earlier process, and take new messages for old ones
		if err := n.forget(); err != nil {
			return err
		}
	}
	for !n.over() {
		l, err := n.connect(false)
		if err != nil {
			return n.unlessStopped(err)
		}
		if l == nil { // stopped
			return nil
		}
		err = n.serve(l)
		n.failed++
		f.count.connected.Add(-1)
		if err != nil {
			return err
		}
	}
	return nil
}

// over reports whether there is nothing left to do without a connection.
func (n *node) over() bool {
	f := n.fleet
	if f.hard.Err() != nil || closed(f.settled) {
		return true
	}
	return closed(f.soft) && n.window.len() == 0
}

// forget makes the broker drop the session of an earlier process.
func (n *node) forget() error {
	l, err := n.connect(true)
	if err != nil || l == nil {
		return n.unlessStopped(err)
	}
	n.fleet.count.connected.Add(-1)
	l.bye()
	return nil
}

// connect tries until it succeeds. It answers nothing when the fleet is
// stopped meanwhile and the device has nothing in flight.
func (n *node) connect(clean bool) (*link, error) {
	f := n.fleet
	for {
		if err := f.gate.enter(f.hard); err != nil {
			return nil, nil
		}
		if n.over() {
			f.gate.leave()
			return nil, nil
		}
		repeat := n.window.resume()
		l, err := n.dial(f.hard, clean)
		f.gate.leave()
		if err == nil {
			f.count.join()
			f.count.repeated.Add(int64(repeat))
			n.wait.reset()
			return l, nil
		}
		if f.hard.Err() != nil {
			return nil, nil
		}
		f.count.fail(err)
		n.failed++
		if errors.Is(err, ErrRefused) && f.count.connects.Load() == 0 {
			return nil, fmt.Errorf("%s: %w", n.name, err)
		}
		if err := n.idle(n.wait.next()); err != nil {
			return nil, err
		}
	}
}

// idle waits offline; samples that come due go to the ring.
func (n *node) idle(d time.Duration) error {
	f := n.fleet
	for until := time.Now().Add(d); ; {
		due, err := n.sample(time.Now())
		left := time.Until(until)
		if err != nil || left <= 0 {
			return err
		}
		if n.ring != nil && !due.IsZero() {
			left = min(left, time.Until(due))
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-f.soft:
			timer.Stop()
			if n.window.len() == 0 {
				return nil
			}
			return ignoreEnd(pause(f.hard, left))
		case <-f.hard.Done():
			timer.Stop()
			return nil
		}
	}
}

// serve sends over one connection until it is lost or the device is through.
func (n *node) serve(l *link) error {
	f := n.fleet
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	soft := f.soft
	for {
		due, err := n.sample(time.Now())
		if err != nil {
			l.drop()
			return err
		}
		if n.publish(l) != nil || l.wire.flush() != nil {
			l.drop()
			f.count.losses.Add(1)
			return nil
		}
		if n.window.len() == 0 {
			n.finish()
			if closed(f.soft) || closed(f.settled) {
				l.bye()
				return nil
			}
		}
		timer.Reset(untilDue(due))
		select {
		case <-l.wire.dirty:
		case <-n.window.room:
		case <-timer.C:
		case <-soft:
			soft = nil
		case <-f.settled:
		case <-l.lost:
			f.count.losses.Add(1)
			return nil
		case <-f.hard.Done():
			l.drop()
			return nil
		}
	}
}

// publish sends what is there as far as the window lets it. An error means
// that the connection is no good any more.
func (n *node) publish(l *link) error {
	f := n.fleet
	if n.window.stale() > 0 {
		return nil // those first
	}
	for free := n.window.places(f.conf.Window); free > 0 && !closed(f.soft); free-- {
		if l.wire.waiting() > flushAt {
			if err := l.wire.flush(); err != nil {
				return err
			}
		}
		s, data, err := n.peek()
		if err != nil || data == nil {
			return err
		}
		now := time.Now()
		f.count.inFlight.Add(1) // before the acknowledgement can take it away
		n.window.expect(flight{n: s.n, record: s.record, sent: now})
		err = l.client.publish(n.topic, n.qos, data)
		if n.qos == 0 || !n.window.took() {
			f.count.inFlight.Add(-1)
		}
		if n.window.took() || n.qos == 0 && err == nil {
			n.advance(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// finish counts a device that has sent all its messages; the last one of the
// fleet settles it. Until then a device stays connected.
func (n *node) finish() {
	f := n.fleet
	if n.finished || f.conf.Messages == 0 || n.next <= f.conf.Messages || len(n.queue) > 0 {
		return
	}
	n.finished = true
	if f.count.finished.Add(1) == int64(len(f.nodes)) {
		close(f.settled)
	}
}

// broker is the address for the next connect. Devices begin all over the list.
func (n *node) broker() string {
	all := n.fleet.conf.brokers()
	return all[(n.number+n.failed)%len(all)]
}

// acknowledged is called for each PUBACK and PUBCOMP.
func (n *node) acknowledged(fl flight) {
	c := &n.fleet.count
	c.inFlight.Add(-1)
	c.latency.add(time.Since(fl.sent))
	if n.ring != nil {
		n.ring.Release(fl.record)
	}
	n.fleet.ledger.add(ack{node: n, n: fl.n, sent: fl.sent.UnixMilli()})
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// untilDue is how long the next sample is away, a long time when there is none.
func untilDue(due time.Time) time.Duration {
	if due.IsZero() {
		return time.Hour
	}
	return max(time.Until(due), 0)
}

// unlessStopped keeps an error that is not just the fleet's end.
func (n *node) unlessStopped(err error) error {
	if n.fleet.hard.Err() != nil {
		return nil
	}
	return err
}

func ignoreEnd(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
