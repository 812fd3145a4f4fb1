package mqtt

import (
	"context"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// will is what is published when a device goes without saying goodbye.
type will struct {
	pk    packets.Packet // a PUBLISH
	delay time.Duration  // after the device has gone (MQTT 5.0, 3.1.3.2.2)
}

// keepWill notes the will of a CONNECT.
func (c *conn) keepWill(p *peer, pk *packets.Packet) {
	if !pk.Connect.WillFlag {
		return
	}
	w := &will{pk: packets.Packet{
		ProtocolVersion: p.version,
		FixedHeader:     packets.FixedHeader{Type: packets.Publish, Qos: pk.Connect.WillQos, Retain: pk.Connect.WillRetain},
		TopicName:       pk.Connect.WillTopic, Payload: pk.Connect.WillPayload, Properties: pk.Connect.WillProperties,
	}}
	w.delay = min(time.Duration(w.pk.Properties.WillDelayInterval)*time.Second, expiryOf(pk))
	w.pk.Properties.WillDelayInterval = 0
	c.will = w
}

// wills are those that wait for their time, by client id. The zero value is
// ready.
type wills struct {
	mu      sync.Mutex
	waiting map[string]*delayed // guarded by mu; at most maxWills
}

type delayed struct {
	conn  *conn // whose will it is
	timer *time.Timer
}

// maxWills is how many wills may wait; beyond it they are published at once.
const maxWills = 16 << 10

// bequeath publishes the connection's will, now or when its time has come; one
// with a delay not at all if the device has taken its session over already.
func (s *Server) bequeath(c *conn) {
	w := c.will
	if w == nil {
		return
	}
	next := s.successor(c)
	switch {
	case w.delay > 0 && next != nil && next.present:
	case w.delay > 0 && next == nil && s.wills.add(c, func() { s.inherit(c) }):
	default:
		c.onWill(&w.pk)
	}
}

// successor is the device's next connection, nil when it has none here.
func (s *Server) successor(c *conn) *device {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.devices[c.name()]; d != c.device.Load() {
		return d
	}
	return nil
}

// inherit publishes a will whose time has come, unless the device is connected
// by now, here or at another gateway.
func (s *Server) inherit(c *conn) {
	if s.successor(c) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.life, stateTimeout)
	defer cancel()
	if one, there, err := s.store.Load(ctx, c.name(), s.now()); err == nil && there && one.Turn > c.device.Load().turn {
		return
	}
	if s.life.Err() == nil {
		c.onWill(&c.will.pk)
	}
}

// add has due called when the delay of a connection's will is over; false: too
// many wait.
func (w *wills) add(c *conn, due func()) bool {
	client := c.name()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[string]*delayed{}
	}
	if len(w.waiting) >= maxWills || w.waiting[client] != nil {
		return false
	}
	d := &delayed{conn: c}
	d.timer = time.AfterFunc(c.will.delay, func() {
		if w.take(client, d) {
			due()
		}
	})
	w.waiting[client] = d
	return true
}

// take removes a will that waits; false: it does no more.
func (w *wills) take(client string, d *delayed) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[client] != d {
		return false
	}
	delete(w.waiting, client)
	return true
}

// over says that the device is back. Its will is forgotten if its session goes
// on, and published if that has ended (MQTT 5.0, 3.1.3.2.2).
func (w *wills) over(client string, goesOn bool) {
	w.mu.Lock()
	d := w.waiting[client]
	delete(w.waiting, client)
	w.mu.Unlock()
	if d == nil {
		return
	}
	if d.timer.Stop(); !goesOn { // who takes it out of the map decides, whether or not the timer has run
		d.conn.onWill(&d.conn.will.pk)
	}
}

// stop forgets the wills that wait.
func (w *wills) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.waiting {
		d.timer.Stop()
	}
	clear(w.waiting)
}
