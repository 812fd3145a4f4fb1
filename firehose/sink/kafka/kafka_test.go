package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/kafka"
	"headgate/firehose/sinktest"
)

const topic = "telemetry"

// cluster is franz-go's own brokers, which speak the protocol on loopback.
type cluster struct {
	*kfake.Cluster
	reader *kgo.Client
}

func open(t *testing.T, options ...kfake.Opt) *cluster {
	t.Helper()
	c, err := kfake.NewCluster(append(options, kfake.NumBrokers(1), kfake.SeedTopics(2, topic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	return &cluster{c, reader}
}

func (c *cluster) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	return c.sink(t, kafka.Config{Brokers: c.ListenAddrs(), Topic: topic})
}

func (c *cluster) sink(t *testing.T, config kafka.Config) firehose.Sink {
	t.Helper()
	s, err := kafka.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Documents reads the topic from its beginning to its present end.
func (c *cluster) Documents(t *testing.T) (found []string) {
	t.Helper()
	left := 0
	for p := range int32(2) {
		if info := c.PartitionInfo(topic, p); info != nil {
			left += int(info.HighWatermark)
		}
	}
	c.reader.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart(), 1: kgo.NewOffset().AtStart()}})
	defer c.reader.RemoveConsumePartitions(map[string][]int32{topic: {0, 1}})
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for left > 0 && ctx.Err() == nil {
		c.reader.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var d struct {
				Batch string
				N     int
			}
			if err := json.Unmarshal(r.Value, &d); err != nil || len(r.Headers) != 2 || len(r.Headers[0].Value) == 0 {
				t.Errorf("%s %v: %v", r.Value, r.Headers, err)
			}
			left--
			found = append(found, fmt.Sprintf("%s/%d", d.Batch, d.N))
		})
	}
	return found
}

// Break takes the right to write away.
func (c *cluster) Break(*testing.T) (mend func()) {
	broken := true
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !broken {
			return nil, nil, false
		}
		return refuse(r.(*kmsg.ProduceRequest), kerr.TopicAuthorizationFailed.Code), nil, true
	})
	return func() { broken = false }
}

func refuse(r *kmsg.ProduceRequest, code int16) kmsg.Response {
	answer := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, asked := range r.Topics {
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID = asked.Topic, asked.TopicID
		for _, p := range asked.Partitions {
			one := kmsg.NewProduceResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, code
			t.Partitions = append(t.Partitions, one)
		}
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

func encoder(t *testing.T) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{}, func(t *testing.T) sinktest.Desk { return open(t) })
}

func TestCredentials(t *testing.T) {
	c := open(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "gate", "right"))
	config := kafka.Config{Brokers: c.ListenAddrs(), Topic: topic, Mechanism: "SCRAM-SHA-256", User: "gate", Password: "right"}
	if r := c.sink(t, config).Probe(t.Context()); !r.Done() {
		t.Errorf("right password: %s: %v", r.Class, r.Err)
	}
	if r := c.sink(t, config).Deliver(t.Context(), sinktest.Documents(encoder(t), "x", 3, 50)); !r.Done() {
		t.Errorf("right password: %s: %v", r.Class, r.Err)
	}
	// These brokers hang up on a wrong password; others say what is wrong.
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return answer, nil, true
	})
	config.Password = "wrong"
	if r := c.sink(t, config).Probe(t.Context()); r.Class != firehose.Auth {
		t.Errorf("wrong password: %s: %v", r.Class, r.Err)
	}
}

func TestATopicThatIsMissing(t *testing.T) {
	c := open(t)
	s := c.sink(t, kafka.Config{Brokers: c.ListenAddrs(), Topic: "elsewhere"})
	for what, r := range map[string]firehose.Result{"probe": s.Probe(t.Context()), "deliver": s.Deliver(t.Context(), sinktest.Documents(encoder(t), "x", 3, 50))} {
		if r.Class != firehose.Config || r.Err == nil {
			t.Errorf("%s: %s: %v", what, r.Class, r.Err)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []kafka.Config{{}, {Topic: "t"}, {Brokers: []string{"a:1"}}, {Brokers: []string{"a:1"}, Topic: "t", Mechanism: "GSSAPI"}} {
		if _, err := kafka.Open(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
