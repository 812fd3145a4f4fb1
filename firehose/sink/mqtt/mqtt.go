// Package mqtt delivers to an MQTT 3.1.1 broker upstream: a site's records go
// to headquarters as messages of QoS 1. It does not know who subscribes.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a broker and where messages go.
type Config struct {
	Broker   string // mqtt://host:1883 or mqtts://host:8883
	ClientID string
	User     string
	Password string
	Topic    string // {key} and {stream} stand for the record's; empty: {stream}/{key}
	TLS      *tls.Config
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	dialTime    = 15 * time.Second
	publishTime = time.Minute // for one message of a batch to be acknowledged
	mostRecords = 1000
	mostBytes   = 4 << 20
	recordBytes = 256 << 10 // what AWS IoT Core takes is half; brokers' defaults are above
	topicBytes  = 65535
)

// Sink is a broker.
type Sink struct {
	config Config
	name   string

	mu     sync.Mutex
	client paho.Client // guarded by mu; nil: not connected
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	u, err := url.Parse(c.Broker)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "mqtt" && u.Scheme != "mqtts":
		return nil, shardlog.Errorf(shardlog.Invalid, "open MQTT sink", "broker must be mqtt://host:port or mqtts://host:port")
	case u.User != nil:
		return nil, shardlog.Errorf(shardlog.Invalid, "open MQTT sink", "broker must hold no password: use user and password")
	case c.ClientID == "":
		return nil, shardlog.Errorf(shardlog.Invalid, "open MQTT sink", "a client id of its own is needed: of two with the same the broker drops one")
	}
	if c.Topic == "" {
		c.Topic = "{stream}/{key}"
	}
	if strings.ContainsAny(c.Topic, "+#\x00") {
		return nil, shardlog.Errorf(shardlog.Invalid, "open MQTT sink", "topic %q has a wildcard", c.Topic)
	}
	return &Sink{config: c, name: c.Broker + "/" + c.Topic}, nil
}

// Caps keep a batch small enough to be in memory.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: recordBytes, BatchBytes: mostBytes, BatchRecords: mostRecords}
}

// String is the broker and the topic.
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
	if s.client != nil {
		s.client.Disconnect(100)
		s.client = nil
	}
}

// Probe connects.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.connect(ctx); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered}
}

// connect makes a connection unless there is one. The caller holds mu.
func (s *Sink) connect(ctx context.Context) error {
	if s.client != nil && s.client.IsConnectionOpen() {
		return nil
	}
	s.drop()
	o := paho.NewClientOptions().AddBroker(s.config.Broker).SetClientID(s.config.ClientID).SetUsername(s.config.User).SetPassword(s.config.Password)
	o.SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(false).SetProtocolVersion(4).SetConnectTimeout(dialTime)
	if s.config.TLS != nil {
		o.SetTLSConfig(s.config.TLS)
	}
	if s.config.Dial != nil {
		o.SetCustomOpenConnectionFn(s.open)
	}
	client := paho.NewClient(o)
	if err := wait(ctx, client.Connect(), dialTime); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	s.client = client
	return nil
}

// open dials the broker the configured way.
func (s *Sink) open(u *url.URL, o paho.ClientOptions) (net.Conn, error) {
	ctx, stop := context.WithTimeout(context.Background(), dialTime)
	defer stop()
	conn, err := s.config.Dial(ctx, "tcp", u.Host)
	if err != nil || u.Scheme == "mqtt" {
		return conn, err
	}
	t := o.TLSConfig.Clone()
	if t.ServerName == "" {
		t.ServerName = u.Hostname()
	}
	secure := tls.Client(conn, t)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// Deliver publishes the records, in order, and waits for every
// acknowledgement. A batch that comes again is published again whole.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	messages, r := s.messages(ctx, b)
	if r.Err != nil {
		return r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.connect(ctx); err != nil {
		return classify(err)
	}
	sent := int64(0)
	var tokens []paho.Token
	for _, m := range messages {
		tokens = append(tokens, s.client.Publish(m.topic, 1, false, m.data))
		sent += int64(len(m.data) + len(m.topic))
	}
	for _, token := range tokens {
		if err := wait(ctx, token, publishTime); err != nil {
			s.drop()
			return classify(fmt.Errorf("publish: %w", err))
		}
	}
	return firehose.Result{Class: firehose.Delivered, Bytes: sent}
}

type message struct {
	topic string
	data  []byte
}

// messages are the batch's, or what is wrong with it.
func (s *Sink) messages(ctx context.Context, b *firehose.Batch) (all []message, r firehose.Result) {
	var bad []firehose.Item
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		topic := strings.NewReplacer("{stream}", string(b.Stream), "{key}", r.Key).Replace(s.config.Topic)
		if topic == "" || len(topic) > topicBytes || strings.ContainsAny(topic, "+#\x00") {
			bad = append(bad, firehose.Item{Seq: r.Seq, Code: "MQTT.TopicInvalid", Message: "the record's key makes no valid topic"})
			return nil
		}
		all = append(all, message{topic, append([]byte(nil), r.Data...)})
		return nil
	})
	switch {
	case err != nil:
		return nil, firehose.Fail(firehose.Transient, err)
	case len(bad) > 0:
		r = firehose.Fail(firehose.Poison, fmt.Errorf("%d records make no valid topic", len(bad)))
		r.Items = bad
	}
	return all, r
}

var errSlow = errors.New("no acknowledgement in time")

// wait waits for a token's outcome.
func wait(ctx context.Context, token paho.Token, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-timer.C:
		return errSlow
	case <-ctx.Done():
		return ctx.Err()
	}
}
