package gateway

import (
	"headgate/firehose"
	"headgate/firehose/sink/kafka"
	"headgate/firehose/sink/kinesis"
	"headgate/firehose/sink/mqtt"
	door "headgate/ingest/mqtt"
	"headgate/shardlog"
)

// KinesisConfig is a stream upstream: Amazon's, or a gateway's elsewhere.
type KinesisConfig struct {
	Stream    string  `yaml:"stream"`
	Service   string  `yaml:"service"` // kinesis (default), firehose: what the stream is one of
	Region    string  `yaml:"region"`
	Endpoint  string  `yaml:"endpoint"`
	AccessKey *Secret `yaml:"access_key"`
	SecretKey *Secret `yaml:"secret_key"`
	NetConfig `yaml:",inline"`
}

func (c *KinesisConfig) check() error {
	switch {
	case c.Stream == "":
		return Fault{"stream", "name the stream"}
	case c.Service != "" && c.Service != "kinesis" && c.Service != "firehose":
		return Fault{"service", "write kinesis or firehose"}
	case c.AccessKey == nil || c.SecretKey == nil:
		return Fault{"access_key", "access_key and secret_key must say where they lie: file, env or credential"}
	}
	return c.NetConfig.check()
}

func (c *KinesisConfig) secrets() []*Secret {
	return append(c.NetConfig.secrets(), c.AccessKey, c.SecretKey)
}

func (c *KinesisConfig) open(w *way) (firehose.Sink, error) {
	id, secret, client, err := w.signed(c.AccessKey, c.SecretKey, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return kinesis.Open(kinesis.Config{Stream: c.Stream, Delivery: c.Service == "firehose", Region: or(c.Region, w.config.AWS.Region), Endpoint: c.Endpoint, AccessKey: id, SecretKey: secret, Client: client})
}

// KafkaConfig is a topic of Kafka.
type KafkaConfig struct {
	Brokers   []string `yaml:"brokers"` // host:port
	Topic     string   `yaml:"topic"`
	Mechanism string   `yaml:"mechanism"` // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; empty: no login
	Username  string   `yaml:"username"`
	Password  *Secret  `yaml:"password"`
	NetConfig `yaml:",inline"`
}

func (c *KafkaConfig) check() error {
	if len(c.Brokers) == 0 || c.Topic == "" {
		return Fault{"topic", "name brokers and topic"}
	}
	return c.NetConfig.check()
}

func (c *KafkaConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Password) }

func (c *KafkaConfig) open(w *way) (firehose.Sink, error) {
	password, secure, dial, err := w.login(c.Password, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return kafka.Open(kafka.Config{Brokers: c.Brokers, Topic: c.Topic, Mechanism: c.Mechanism, User: c.Username, Password: password, TLS: secure, Dial: dial})
}

// MQTTConfig is a broker upstream, of MQTT 5.
type MQTTConfig struct {
	Broker     string   `yaml:"broker"`     // mqtt://host:1883, mqtts://host:8883
	Brokers    []string `yaml:"brokers"`    // instead: several, tried in order
	ClientID   string   `yaml:"client_id"`  // of this delivery alone
	Topic      string   `yaml:"topic"`      // with {topic}, {stream} and {key}; empty: {stream}/{key}
	Remove     string   `yaml:"remove"`     // a prefix that {topic} loses
	QoS        *byte    `yaml:"qos"`        // 0, 1 (default), 2
	Retain     bool     `yaml:"retain"`     // what devices retained is retained there
	Properties bool     `yaml:"properties"` // gw.batch, gw.seq, gw.shard and gw.key as user properties
	Username   string   `yaml:"username"`
	Password   *Secret  `yaml:"password"`
	NetConfig  `yaml:",inline"`
}

func (c *MQTTConfig) check() error {
	switch {
	case (c.Broker == "") == (len(c.Brokers) == 0) || c.ClientID == "":
		return Fault{"broker", "name the broker, or brokers, and a client_id of its own"}
	case c.QoS != nil && *c.QoS > 2:
		return Fault{"qos", "write 0, 1 or 2"}
	}
	return c.NetConfig.check()
}

func (c *MQTTConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Password) }

func (c *MQTTConfig) open(w *way) (firehose.Sink, error) {
	password, secure, dial, err := w.login(c.Password, c.NetConfig)
	if err != nil {
		return nil, err
	}
	to := mqtt.Config{Brokers: c.Brokers, ClientID: c.ClientID, User: c.Username, Password: password, TLS: secure, Dial: dial,
		Topic: c.Topic, Remove: c.Remove, QoS: 1, Retain: c.Retain, Properties: c.Properties, Origin: published}
	if c.Broker != "" {
		to.Brokers = []string{c.Broker}
	}
	if c.QoS != nil {
		to.QoS = *c.QoS
	}
	return mqtt.Open(to)
}

// published reads what a record was as a message; false: no device published
// it by MQTT.
func published(r shardlog.Record) (o mqtt.Origin, ok bool) {
	m, err := door.DecodeMeta(r.Meta)
	if err != nil || m.Topic == "" {
		return o, false
	}
	o = mqtt.Origin{Topic: m.Topic, Retain: m.Retain, Text: m.Text, ContentType: m.ContentType, ResponseTopic: m.ResponseTopic, Correlation: m.Correlation}
	for _, u := range m.User {
		o.User = append(o.User, mqtt.Property(u))
	}
	return o, true
}

// read is a secret, "" when none is given.
func read(name string, s *Secret) (string, error) {
	if s == nil {
		return "", nil
	}
	text, err := s.Read()
	if err != nil {
		return "", shardlog.Errorf(shardlog.Invalid, "open sink", "%s: %w", name, err)
	}
	return text, nil
}
