package mqtt

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest"
	"headgate/ingest/downlink"
)

// reserved begins the topics that services answer. No other topic that begins
// with a dollar is published to.
const reserved = "$aws/"

// desks are how many requests to services are answered at once. The requests of
// one client go to one desk, in order.
const desks = 32

// desk has services answer requests, one at a time. Its queue is bounded by the
// windows of the connections.
type desk struct {
	server *Server
	signal chan struct{}

	mu    sync.Mutex
	queue []*message // guarded by mu
}

func newDesk(s *Server) *desk { return &desk{server: s, signal: make(chan struct{}, 1)} }

// service is the one that takes a topic, nil when none does.
func (s *Server) service(topic string) ingest.Service {
	for _, one := range s.cfg.Services {
		if one.Takes(topic) {
			return one
		}
	}
	return nil
}

// serves reports whether services announce messages whose topics match a filter.
func (s *Server) serves(filter string) bool {
	return len(s.cfg.Services) > 0 && strings.HasPrefix(filter, reserved) && !strings.HasPrefix(filter, reserved+"rules/")
}

// ask makes a message a request to the service that takes its topic.
func (c *conn) ask(p *peer, pk *packets.Packet, m *message) verdict {
	service := c.server.service(pk.TopicName)
	if service == nil || m.qos == 2 { // AWS IoT has no QoS 2, and a request that changes state twice is no copy
		return denied
	}
	if len(pk.Payload) > c.server.cfg.MaxPayload {
		return badPayload
	}
	m.entry.Data = pk.Payload // it counts in the window
	m.request = &request{service, ingest.Request{ClientID: p.id, Topic: strings.Clone(pk.TopicName), Payload: pk.Payload}}
	m.target = c.server.deskOf(p.id)
	return stored
}

// request is a message for a service.
type request struct {
	service ingest.Service
	ingest.Request
}

// deskOf is where a client's requests are answered.
func (s *Server) deskOf(client string) *desk { return s.desks[s.turns.hash(client)%desks] }

// add queues a message.
func (d *desk) add(m *message) {
	d.mu.Lock()
	d.queue = append(d.queue, m)
	d.mu.Unlock()
	select {
	case d.signal <- struct{}{}:
	default:
	}
}

// take is the next message, nil when there is none.
func (d *desk) take() (m *message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		d.queue = nil
		return nil
	}
	m, d.queue[0] = d.queue[0], nil
	d.queue = d.queue[1:]
	return m
}

// run answers until ctx ends.
func (d *desk) run(ctx context.Context) {
	for {
		m := d.take()
		if m == nil {
			select {
			case <-d.signal:
				continue
			case <-ctx.Done():
				return
			}
		}
		if !d.answer(ctx, m) {
			return
		}
		m.conn.wake()
	}
}

// answer has a request answered, however often it takes; false: ctx ended.
func (d *desk) answer(ctx context.Context, m *message) bool {
	if m.conn.refusing.Load() && m.qos > 0 {
		m.settle(unspecified) // its device sends it again
		return true
	}
	wait := firstRetry
	for {
		err := m.request.service.Serve(ctx, m.request.Request)
		if err == nil {
			m.settle(stored)
			return true
		}
		v, again := judge(err)
		if !again {
			d.server.cfg.Log.Info("refuse request", "client", m.request.ClientID, "topic", m.request.Topic, "error", err)
			d.server.refuse(m, v)
			return true
		}
		d.server.stats.retries.Add(1)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
		wait = min(2*wait, mostHold)
	}
}

// Reply sends a message of QoS 0 to one client, if it is connected here and has
// subscribed to the topic: an answer that nobody needs later.
func (s *Server) Reply(client string, a ingest.Announcement) {
	s.mu.Lock()
	d := s.devices[client]
	s.mu.Unlock()
	if d == nil || d.conn.guard != nil && !d.conn.guard.Receive(a.Topic) {
		return
	}
	for _, sub := range d.inbox.Subscriptions() {
		if sub.Matches(a.Topic) {
			var b bytes.Buffer
			m := &downlink.Message{Topic: a.Topic, Body: &record{payload: a.Payload, arrived: s.now()}}
			if d.publish(&b, m, downlink.Delivery{Message: m}, 0, 0, false) {
				d.write(b.Bytes())
				s.stats.sent.Add(1)
			}
			return
		}
	}
}
