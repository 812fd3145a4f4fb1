package gateway

import (
	"headgate/firehose"
	"headgate/firehose/sink/kafka"
	"headgate/firehose/sink/kinesis"
	"headgate/firehose/sink/mqtt"
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

// MQTTConfig is a broker upstream.
type MQTTConfig struct {
	Broker    string  `yaml:"broker"`    // mqtt://host:1883, mqtts://host:8883
	ClientID  string  `yaml:"client_id"` // of this delivery alone
	Topic     string  `yaml:"topic"`     // with {stream} and {key}; empty: {stream}/{key}
	Username  string  `yaml:"username"`
	Password  *Secret `yaml:"password"`
	NetConfig `yaml:",inline"`
}

func (c *MQTTConfig) check() error {
	if c.Broker == "" || c.ClientID == "" {
		return Fault{"broker", "name the broker and a client_id of its own"}
	}
	return c.NetConfig.check()
}

func (c *MQTTConfig) secrets() []*Secret { return append(c.NetConfig.secrets(), c.Password) }

func (c *MQTTConfig) open(w *way) (firehose.Sink, error) {
	password, secure, dial, err := w.login(c.Password, c.NetConfig)
	if err != nil {
		return nil, err
	}
	return mqtt.Open(mqtt.Config{Broker: c.Broker, ClientID: c.ClientID, User: c.Username, Password: password, Topic: c.Topic, TLS: secure, Dial: dial})
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
