package fleet

import (
	"errors"
	"fmt"
	"time"

	"headgate/firmware-sim/device"
)

// last is the number of the last sample that is due now, and when the next
// will be (zero: whenever there is room, or never).
func (n *node) last(now time.Time) (uint64, time.Time) {
	conf := &n.fleet.conf
	most := uint64(1<<63 - 1)
	if conf.Messages > 0 {
		most = conf.Messages
	}
	if closed(n.fleet.soft) {
		return n.next - 1, time.Time{}
	}
	if conf.Rate == 0 {
		return most, time.Time{}
	}
	since := now.Sub(n.start)
	if since < 0 {
		return n.first - 1, n.start
	}
	taken := uint64(since.Seconds() * conf.Rate)
	last := min(n.first+taken, most)
	if last == most {
		return last, time.Time{}
	}
	return last, n.start.Add(time.Duration(float64(taken+1)/conf.Rate*float64(time.Second)) + time.Millisecond)
}

// sample puts what is due into the ring, if there is one, and says when the
// next sample is due.
func (n *node) sample(now time.Time) (time.Time, error) {
	last, due := n.last(now)
	if n.ring == nil {
		return due, nil
	}
	for n.next <= last {
		if n.fleet.conf.Rate == 0 && len(n.queue) >= n.fleet.conf.Window {
			break // nothing forces a device without a clock to run ahead
		}
		n.scratch = n.dev.Append(n.scratch[:0], n.next)
		record, err := n.ring.Append(uint32(n.number), n.next, n.scratch)
		if err != nil {
			return due, fmt.Errorf("%s: %w", n.name, err)
		}
		n.queue = append(n.queue, queued{n: n.next, record: record})
		n.next++
	}
	for oldest := n.ring.Oldest(); len(n.queue) > 0 && n.queue[0].record < oldest; {
		n.queue = n.queue[1:] // given up, and counted by the ring
	}
	return due, nil
}

// peek is the next message and its payload; no payload when there is none now.
func (n *node) peek() (queued, []byte, error) {
	if n.ring == nil {
		last, _ := n.last(time.Now())
		if n.next > last {
			return queued{}, nil, nil
		}
		return queued{n: n.next}, n.dev.Append(make([]byte, 0, 256), n.next), nil
	}
	for len(n.queue) > 0 {
		data, err := n.ring.Read(n.queue[0].record, make([]byte, 0, 256))
		if !errors.Is(err, device.ErrGone) {
			return n.queue[0], data, err
		}
		n.queue = n.queue[1:]
	}
	return queued{}, nil, nil
}

// advance steps over a message that is with the network now.
func (n *node) advance(s queued) {
	c := &n.fleet.count
	c.sent.Add(1)
	if n.qos == 0 {
		c.unanswered.Add(1)
	}
	if n.ring == nil {
		n.next = s.n + 1
		return
	}
	n.queue = n.queue[1:]
	if n.qos == 0 {
		n.ring.Release(s.record)
	}
}
