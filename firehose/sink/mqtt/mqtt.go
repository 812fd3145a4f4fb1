// Package mqtt delivers to an MQTT 5 broker upstream: a site's records go to
// headquarters as messages. It does not know who subscribes.
package mqtt

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a broker and says what messages are like.
type Config struct {
	Brokers  []string // mqtt://host[:1883] or mqtts://host[:8883]; those after the first when it cannot be reached
	ClientID string   // of this sink alone
	User     string
	Password string
	TLS      *tls.Config // of mqtts
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)

	Topic      string // {topic}, {stream} and {key} stand for the record's; empty: {stream}/{key}
	Remove     string // a prefix that {topic} loses
	QoS        byte   // 0, 1, 2
	Retain     bool   // what was retained is retained upstream
	Properties bool   // messages tell their batch, sequence number, shard and key as user properties

	// Origin reads what a record was when it was published; nil, or false:
	// it was not. {topic} is then {stream}/{key}.
	Origin func(shardlog.Record) (Origin, bool)
}

// Origin is what a message was when it came in.
type Origin struct {
	Topic         string
	Retain        bool
	Text          bool // the payload is UTF-8
	ContentType   string
	ResponseTopic string
	Correlation   []byte
	User          []Property
}

// Property is a user property.
type Property struct{ Name, Value string }

const (
	dialTime    = 15 * time.Second
	answerTime  = time.Minute     // for something of a batch to be acknowledged
	idleTime    = time.Minute     // after which a connection is given up that nothing goes over
	keepAlive   = 4 * time.Minute // longer than both: a connection needs no pings
	mostRecords = 1000            // packet ids are places in the batch
	mostBytes   = 4 << 20
	topicBytes  = 65535
)

// Sink is a broker.
type Sink struct {
	config  Config
	brokers []*url.URL
	name    string

	mu   sync.Mutex
	conn *conn       // guarded by mu; nil: not connected
	idle *time.Timer // guarded by mu; gives conn up
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	invalid := func(format string, args ...any) (*Sink, error) {
		return nil, shardlog.Errorf(shardlog.Invalid, "open MQTT sink", format, args...)
	}
	s := &Sink{}
	for _, text := range c.Brokers {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Hostname() == "" || u.Scheme != "mqtt" && u.Scheme != "mqtts":
			return invalid("broker must be mqtt://host:port or mqtts://host:port")
		case u.User != nil:
			return invalid("broker must hold no password: use user and password")
		case u.Scheme == "mqtt" && c.TLS != nil:
			return invalid("%s is not secured: write mqtts://, or no certificates", text)
		}
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme])
		}
		s.brokers = append(s.brokers, u)
	}
	if c.Topic == "" {
		c.Topic = "{stream}/{key}"
	}
	switch {
	case len(s.brokers) == 0:
		return invalid("name a broker")
	case c.ClientID == "":
		return invalid("a client id of its own is needed: of two with the same the broker drops one")
	case strings.ContainsAny(c.Topic, "+#\x00"):
		return invalid("topic %q has a wildcard", c.Topic)
	case c.QoS > 2:
		return invalid("QoS is 0, 1 or 2")
	}
	s.config, s.name = c, c.Brokers[0]+"/"+c.Topic
	return s, nil
}

// Caps keep a batch small enough to be in memory. How long a message may be
// the broker says.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{BatchBytes: mostBytes, BatchRecords: mostRecords}
}

// String is the first broker and the topic.
func (s *Sink) String() string { return s.name }

// Close disconnects.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	return nil
}

// drop gives the connection up. The caller holds mu.
func (s *Sink) drop() {
	if s.conn != nil {
		s.idle.Stop()
		s.conn.close()
		s.conn = nil
	}
}

// Probe connects.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
	if err := s.connect(ctx); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// connect makes a connection to the first broker that takes us. Of several
// failures it tells one that a person can mend. The caller holds mu.
func (s *Sink) connect(ctx context.Context) error {
	var first error
	for _, u := range s.brokers {
		c, err := s.config.open(ctx, u)
		if err == nil {
			s.conn, s.idle = c, time.AfterFunc(idleTime, func() { s.leave(c) })
			return nil
		}
		if first == nil || class(first) == firehose.Transient && class(err) != firehose.Transient {
			first = fmt.Errorf("connect to %s: %w", u.Host, err)
		}
	}
	return first
}

// leave gives up a connection that nothing went over.
func (s *Sink) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == c {
		s.drop()
	}
}

// Deliver publishes the records, in order, and waits for every
// acknowledgement. What a lost connection left unanswered goes over the next
// one for as long as some of it is answered; a batch that comes again is
// published again whole.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	all, err := s.config.messages(ctx, b)
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		fresh, left := s.conn == nil, all.unanswered()
		if fresh {
			if err := s.connect(ctx); err != nil {
				return classify(err)
			}
		}
		s.idle.Stop()
		err := s.conn.publish(ctx, all)
		if err == nil {
			s.idle.Reset(min(idleTime, s.conn.patience/2))
			return all.result()
		}
		s.drop()
		if told(err) || ctx.Err() != nil || fresh && all.unanswered() == left {
			return classify(fmt.Errorf("publish: %w", err))
		}
	}
}
