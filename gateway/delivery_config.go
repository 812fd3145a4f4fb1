package gateway

import (
	"encoding/json"
	"fmt"
	"strings"

	"headgate/firehose"
	"headgate/firehose/delivery"
	"headgate/firehose/encode"
	"headgate/firehose/transform"
	"headgate/firehose/uplink"
	"headgate/shardlog"
)

// DeliveryConfig is one delivery from a stream to a sink, as the configuration
// file, `headgate delivery create` and the Firehose API say it. Exactly one of
// the sinks is set.
type DeliveryConfig struct {
	Name        string              `yaml:"name"`
	Stream      shardlog.StreamName `yaml:"stream"`
	Compression string              `yaml:"compression"` // gzip, zstd, snappy, hadoop_snappy, zip, none
	Delimiter   string              `yaml:"delimiter"`   // newline, raw
	Parquet     *encode.Schema      `yaml:"parquet"`     // columns of Parquet files, instead of lines
	Prefix      string              `yaml:"prefix"`
	ErrorPrefix string              `yaml:"error_prefix"`
	Extension   string              `yaml:"extension"` // of object names, instead of the compression's
	Size        Bytes               `yaml:"size"`      // of one object before compression
	Interval    *Duration           `yaml:"interval"`  // how long records wait for company
	Start       string              `yaml:"start"`     // oldest, newest: where a new delivery begins
	Pin         *bool               `yaml:"pin"`       // keep on disk what is not delivered, up to the budget
	Transform   []transform.Step    `yaml:"transform"` // steps between the stream and the sink, see firehose/transform/README.md
	Unwrap      bool                `yaml:"unwrap"`    // the stream holds error records: deliver anew what they hold
	Backup      *S3Config           `yaml:"backup"`    // for what a sink of single records refuses; nil: the stream NAME.errors

	Stale       *StaleConfig    `yaml:"stale"`        // what becomes of records that waited too long
	NewestFirst bool            `yaml:"newest_first"` // a backlog waits behind what comes now
	Retry       *Duration       `yaml:"retry"`        // how long a batch is tried while the link is up, before its records go to the error output; none: for ever
	Priority    uplink.Priority `yaml:"priority"`     // on the uplink: alarm, normal, bulk, free

	Local      *LocalConfig      `yaml:"local"`
	S3         *S3Config         `yaml:"s3"`
	HTTP       *HTTPConfig       `yaml:"http"`
	Splunk     *SplunkConfig     `yaml:"splunk"`
	OpenSearch *OpenSearchConfig `yaml:"opensearch"`
	Redshift   *RedshiftConfig   `yaml:"redshift"`
	MongoDB    *MongoDBConfig    `yaml:"mongodb"`
	Kinesis    *KinesisConfig    `yaml:"kinesis"`
	Kafka      *KafkaConfig      `yaml:"kafka"`
	MQTT       *MQTTConfig       `yaml:"mqtt"`
	Function   *FunctionConfig   `yaml:"function"`
	Datadog    *DatadogConfig    `yaml:"datadog"`
	NewRelic   *NewRelicConfig   `yaml:"newrelic"`
	OTLP       *OTLPConfig       `yaml:"otlp"`
}

// StaleConfig is what becomes of records that waited too long.
type StaleConfig struct {
	After Duration `yaml:"after"`
	Then  string   `yaml:"then"` // backup, drop
}

// sinkConfig is the block of a delivery that names its sink.
type sinkConfig interface {
	// check answers a Fault whose path begins below the block.
	check() error
	// open makes the sink; it asks nobody yet.
	open(w *way) (firehose.Sink, error)
	// secrets are the references in the block, nil for those it does not give.
	secrets() []*Secret
}

// namedSink is a block that is set, with its name.
type namedSink struct {
	name string
	sinkConfig
}

// sinks are the blocks that are set. This is the one list of what there is:
// a new sink is a field of DeliveryConfig, a line here and a sinkConfig.
func (d *DeliveryConfig) sinks() (set []namedSink) {
	add := func(name string, there bool, s sinkConfig) {
		if there {
			set = append(set, namedSink{name, s})
		}
	}
	add("local", d.Local != nil, d.Local)
	add("s3", d.S3 != nil, d.S3)
	add("http", d.HTTP != nil, d.HTTP)
	add("splunk", d.Splunk != nil, d.Splunk)
	add("opensearch", d.OpenSearch != nil, d.OpenSearch)
	add("redshift", d.Redshift != nil, d.Redshift)
	add("mongodb", d.MongoDB != nil, d.MongoDB)
	add("kinesis", d.Kinesis != nil, d.Kinesis)
	add("kafka", d.Kafka != nil, d.Kafka)
	add("mqtt", d.MQTT != nil, d.MQTT)
	add("function", d.Function != nil, d.Function)
	add("datadog", d.Datadog != nil, d.Datadog)
	add("newrelic", d.NewRelic != nil, d.NewRelic)
	add("otlp", d.OTLP != nil, d.OTLP)
	return set
}

// sinkNames is what a delivery may name, for people.
const sinkNames = "local, s3, http, splunk, opensearch, redshift, mongodb, kinesis, kafka, mqtt, function, datadog, newrelic or otlp"

// kind is the name of the delivery's sink, "" when it has not exactly one.
func (d *DeliveryConfig) kind() string {
	if sinks := d.sinks(); len(sinks) == 1 {
		return sinks[0].name
	}
	return ""
}

// check answers the first Fault, its path below at.
func (d *DeliveryConfig) check(at string) error {
	below := func(field string) string { return strings.TrimPrefix(at+"."+field, ".") }
	sinks := d.sinks()
	switch {
	case shardlog.StreamName(d.Name).Check() != nil:
		return Fault{below("name"), "1 to 64 letters, digits and _ . - make a name"}
	case d.Stream.Check() != nil:
		return Fault{below("stream"), "say which stream is delivered"}
	case len(sinks) != 1:
		return Fault{or(at, "name"), "give it one sink: " + sinkNames}
	case d.Priority.Check() != nil:
		return Fault{below("priority"), d.Priority.Check().Error()}
	case d.Start != "" && d.Start != "oldest" && d.Start != "newest":
		return Fault{below("start"), fmt.Sprintf("%q is no start: write oldest or newest", d.Start)}
	}
	if d.Redshift != nil && d.ErrorPrefix != "" && !strings.Contains(d.ErrorPrefix, "!{firehose:error-output-type}") {
		return Fault{below("error_prefix"), "for redshift it must hold !{firehose:error-output-type}, by which objects that are not loaded are told apart"}
	}
	if strings.Contains(d.Prefix, "!{partitionKeyFrom") && d.Local == nil && d.S3 == nil {
		return Fault{below("prefix"), "keys of records part the objects of s3 and local, other sinks have none"}
	}
	if d.Parquet != nil {
		if d.Local == nil && d.S3 == nil {
			return Fault{below("parquet"), "files of columns go to s3 and local"}
		}
		if err := d.Parquet.Validate(); err != nil {
			return Fault{below("parquet"), err.Error()}
		}
	}
	if err := sinks[0].check(); err != nil {
		if f, ok := err.(Fault); ok {
			return Fault{below(sinks[0].name + "." + f.Path), f.Message}
		}
		return Fault{below(sinks[0].name), err.Error()}
	}
	if d.Backup != nil {
		if err := d.Backup.check(); err != nil {
			return Fault{below("backup"), err.Error()}
		}
	}
	for _, s := range append(sinks[0].secrets(), d.Backup.secrets()...) {
		if s == nil {
			continue
		}
		if wrong := s.check(); wrong != "" {
			return Fault{below(sinks[0].name), "a secret: " + wrong}
		}
	}
	if err := (transform.Spec{Steps: d.Transform}).Validate(); err != nil {
		return Fault{below("transform"), err.Error()}
	}
	if err := d.spec().Validate(); err != nil {
		return Fault{or(at, "name"), err.Error()}
	}
	return nil
}

// open opens the sink that the delivery names.
func (d *DeliveryConfig) open(w *way) (firehose.Sink, error) {
	sinks := d.sinks()
	if len(sinks) != 1 {
		return nil, shardlog.Errorf(shardlog.Invalid, "open sink", "give the delivery one sink: %s", sinkNames)
	}
	return sinks[0].open(w)
}

// spec is the delivery as its room reads it.
func (d *DeliveryConfig) spec() delivery.Spec {
	s := delivery.Spec{
		Name: d.Name, Stream: d.Stream, Compression: d.Compression, Delimiter: d.Delimiter,
		Prefix: d.Prefix, ErrorPrefix: d.ErrorPrefix, Extension: d.Extension, Pin: d.Pin, NewestFirst: d.NewestFirst,
	}
	if d.Size > 0 {
		s.Buffering.SizeMiB = max(1, int(d.Size>>20))
	}
	if d.Parquet != nil {
		text, err := json.Marshal(d.Parquet)
		if err != nil { // it holds text and booleans only
			panic(err)
		}
		s.Schema = string(text)
	}
	if d.Interval != nil {
		interval := delivery.Duration(*d.Interval)
		s.Buffering.Interval = &interval
	}
	if d.Stale != nil {
		after := delivery.Duration(d.Stale.After)
		s.Stale = delivery.Stale{After: &after, Then: d.Stale.Then}
	}
	if d.Retry != nil {
		retry := delivery.Duration(*d.Retry)
		s.Retry = &retry
	}
	if d.HTTP != nil && d.Delimiter == "" {
		s.Delimiter = "raw" // each record has a place of its own in a request
	}
	if d.Start == "newest" {
		s.Start = delivery.Latest
	}
	return s
}

// parseDelivery reads a delivery that stands alone: YAML, of which JSON is a
// kind. Faults say where, as those of the configuration file do.
func parseDelivery(file, text string) (*DeliveryConfig, error) {
	d := &DeliveryConfig{}
	err := decode(file, []byte(text), d)
	if err == nil {
		err = locate(d.check(""), file, []byte(text), nil)
	}
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "read delivery", "%w", err)
	}
	return d, nil
}
