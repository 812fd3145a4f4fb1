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
	publish func()
	timer   *time.Timer
}

// maxWills is how many wills may wait; beyond it they are published at once.
const maxWills = 16 << 10

// leave publishes the connection's will, now or when its time has come.
func (s *Server) leave(c *conn) {
	w := c.will
	if w == nil {
		return
	}
	if w.delay == 0 || !s.wills.add(c.name(), w.delay, func() { s.inherit(c) }) {
		c.onWill(&w.pk)
	}
}

// inherit publishes a will whose time has come, unless the device is connected
// to another gateway by now.
func (s *Server) inherit(c *conn) {
	ctx, cancel := context.WithTimeout(s.life, stateTimeout)
	defer cancel()
	if one, there, err := s.store.Load(ctx, c.name(), s.now()); err == nil && there && one.Turn > c.device.Load().turn {
		return
	}
	if s.life.Err() == nil {
		c.onWill(&c.will.pk)
	}
}

// add has publish called after a while; false: too many wait.
func (w *wills) add(client string, delay time.Duration, publish func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[string]*delayed{}
	}
	if len(w.waiting) >= maxWills || w.waiting[client] != nil {
		return false
	}
	d := &delayed{publish: publish}
	d.timer = time.AfterFunc(delay, func() {
		if w.take(client, d) {
			publish()
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
	if d != nil && d.timer.Stop() && !goesOn {
		d.publish()
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
