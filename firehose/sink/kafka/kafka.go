// Package kafka delivers to a topic of Apache Kafka, or of a server that
// speaks its protocol. It does not know what records mean, nor who reads them.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"headgate/firehose"
	"headgate/shardlog"
)

// Config names a topic and who may write to it.
type Config struct {
	Brokers   []string // host:port, some of the cluster's
	Topic     string
	Mechanism string // of SASL: "", PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	User      string
	Password  string
	TLS       *tls.Config // nil: plain text
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

// The headers of a delivered record.
const (
	headerID      = "headgate-id"      // the same in every attempt and no other record's, so that readers can tell doubles
	headerArrived = "headgate-arrived" // RFC 3339, in UTC
)

const (
	recordBytes  = 1000000 // brokers take 1 MiB with its framing unless told otherwise
	mostBytes    = 4 << 20
	mostRecords  = 10000
	deliveryTime = 2 * time.Minute // for one batch, the library's own retries within
	requestTime  = 30 * time.Second
)

// Sink is a topic.
type Sink struct {
	topic, name string
	client      *kgo.Client
}

var _ firehose.Sink = (*Sink)(nil)

// Open makes a sink; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Sink, error) {
	if len(c.Brokers) == 0 || c.Topic == "" {
		return nil, shardlog.Errorf(shardlog.Invalid, "open Kafka sink", "brokers and a topic are needed")
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...), kgo.ClientID("headgate"), kgo.DefaultProduceTopic(c.Topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), // and with that the idempotent producer
		kgo.ProducerBatchCompression(kgo.ZstdCompression(), kgo.GzipCompression(), kgo.NoCompression()),
		kgo.MaxBufferedRecords(mostRecords), kgo.RecordDeliveryTimeout(deliveryTime), kgo.RetryTimeout(requestTime),
		kgo.UnknownTopicRetries(0), kgo.ProducerLinger(0),
	}
	login, err := c.login()
	if err != nil {
		return nil, err
	}
	options = append(options, login...)
	if dial := c.dial(); dial != nil {
		options = append(options, kgo.Dialer(dial))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open Kafka sink", "%w", err)
	}
	return &Sink{topic: c.Topic, name: "kafka:" + c.Topic + " at " + c.Brokers[0], client: client}, nil
}

func (c Config) login() ([]kgo.Opt, error) {
	switch c.Mechanism {
	case "":
		return nil, nil
	case "PLAIN":
		return []kgo.Opt{kgo.SASL(plain.Auth{User: c.User, Pass: c.Password}.AsMechanism())}, nil
	case "SCRAM-SHA-256":
		return []kgo.Opt{kgo.SASL(scram.Auth{User: c.User, Pass: c.Password}.AsSha256Mechanism())}, nil
	case "SCRAM-SHA-512":
		return []kgo.Opt{kgo.SASL(scram.Auth{User: c.User, Pass: c.Password}.AsSha512Mechanism())}, nil
	}
	return nil, shardlog.Errorf(shardlog.Invalid, "open Kafka sink", "mechanism %q is unknown; PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are known", c.Mechanism)
}

// dial connects as the configuration says; nil is the library's way.
func (c Config) dial() func(ctx context.Context, network, address string) (net.Conn, error) {
	if c.TLS == nil {
		return c.Dial
	}
	raw := c.Dial
	if raw == nil {
		raw = (&net.Dialer{Timeout: requestTime}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := raw(ctx, network, address)
		if err != nil {
			return nil, err
		}
		t := c.TLS.Clone()
		if t.ServerName == "" {
			t.ServerName, _, _ = net.SplitHostPort(address)
		}
		secure := tls.Client(conn, t)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return secure, nil
	}
}

// Caps keep a batch small enough to be in memory.
func (s *Sink) Caps() firehose.Caps {
	return firehose.Caps{RecordBytes: recordBytes, BatchBytes: mostBytes, BatchRecords: mostRecords}
}

// String is the topic.
func (s *Sink) String() string { return s.name }

// Close gives up connections.
func (s *Sink) Close() error {
	s.client.Close()
	return nil
}

// Probe asks whether the topic exists and takes our credentials.
func (s *Sink) Probe(ctx context.Context) firehose.Result {
	ctx, stop := context.WithTimeout(ctx, requestTime)
	defer stop()
	request := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &s.topic
	request.Topics, request.AllowAutoTopicCreation = append(request.Topics, topic), false
	answer, err := request.RequestWith(ctx, s.client)
	if err != nil {
		return classify(err)
	}
	for _, t := range answer.Topics {
		if err := codeError(t.ErrorCode); err != nil {
			return classify(err)
		}
	}
	return firehose.Result{Class: firehose.Delivered}
}

// Deliver produces the records under their own keys, acknowledged by all
// replicas in sync. What was stored of a batch that comes again is stored
// again, under the same id in its header.
func (s *Sink) Deliver(ctx context.Context, b *firehose.Batch) firehose.Result {
	var records []*kgo.Record
	var sent int64
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		records = append(records, &kgo.Record{
			Key: []byte(r.Key), Value: append([]byte(nil), r.Data...), Timestamp: r.Arrived,
			Headers: []kgo.RecordHeader{{Key: headerID, Value: []byte(b.DocumentID(r))}, {Key: headerArrived, Value: []byte(r.Arrived.UTC().Format(time.RFC3339Nano))}},
		})
		sent += int64(len(r.Data) + len(r.Key))
		return nil
	})
	if err != nil {
		return firehose.Fail(firehose.Transient, err)
	}
	if err := s.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return classify(err)
	}
	return firehose.Result{Class: firehose.Delivered, Bytes: sent}
}
