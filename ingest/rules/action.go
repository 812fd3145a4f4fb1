package rules

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"headgate/ingest"
	"headgate/ingest/iotsql"
	"headgate/shardlog"
)

// action is what is done with a message that a rule sees.
type action interface {
	name() string
	target() string
	// make is the record of a message; false: there is none. An error says that
	// the message is at fault, whenever it is tried.
	make(m *iotsql.Message) (record, bool, error)
}

// record is what an action stores.
type record struct {
	stream shardlog.StreamName
	entry  shardlog.Entry
}

// Publication is a message that a rule publishes.
type Publication struct {
	Topic   string
	Client  string // who published what it is made of
	QoS     byte
	Payload []byte
	User    []iotsql.Property
}

// Publish makes a record of a publication and finds its stream; it stores
// nothing. Kinds Invalid and Denied: there is no way for it.
type Publish func(p Publication) (shardlog.StreamName, shardlog.Entry, error)

// kinesis puts the output into a stream.
type kinesis struct {
	*program
	stream shardlog.StreamName
	key    *iotsql.Template
}

func newKinesis(p *program, k Kinesis) (*kinesis, error) {
	if k.Key == "" {
		k.Key = defaultKey
	}
	key, err := iotsql.ParseTemplate(k.Key)
	return &kinesis{p, k.Stream, key}, err
}

func (k *kinesis) name() string   { return ActionKinesis }
func (k *kinesis) target() string { return string(k.stream) }

// make uses the client id for a key that cannot be: no message is lost for its
// key.
func (k *kinesis) make(m *iotsql.Message) (r record, ok bool, err error) {
	out, passed, err := k.statement.Apply(m)
	if err != nil || !passed {
		return r, false, err
	}
	key, err := k.key.Fill(m)
	if err != nil || key == "" || utf8.RuneCountInString(key) > shardlog.MaxPartitionKey {
		if key = m.Client; key == "" {
			key = m.Topic
		}
	}
	return record{k.stream, shardlog.Entry{Key: key, Data: out}}, true, nil
}

// republish publishes the output.
type republish struct {
	*program
	topic   *iotsql.Template
	qos     byte
	publish Publish
}

func newRepublish(p *program, r Republish, publish Publish) (*republish, error) {
	topic, err := iotsql.ParseTemplate(r.Topic)
	if err != nil {
		return nil, err
	}
	if fixed, ok := topic.Fixed(); ok {
		if err := checkTopic(fixed); err != nil {
			return nil, err
		}
		if p.statement.Filter != "" && p.filter.Matches(fixed) {
			return nil, invalid("%s: what it publishes under %q would come to it again", p.rule.Name, fixed)
		}
	}
	return &republish{p, topic, r.QoS, publish}, nil
}

func (r *republish) name() string   { return ActionRepublish }
func (r *republish) target() string { return r.topic.String() }

func (r *republish) make(m *iotsql.Message) (rec record, ok bool, err error) {
	out, passed, err := r.statement.Apply(m)
	if err != nil || !passed {
		return rec, false, err
	}
	topic, err := r.topic.Fill(m)
	if err != nil {
		return rec, false, err
	}
	if err := checkTopic(topic); err != nil {
		return rec, false, err
	}
	hops := hopsOf(m)
	if hops >= maxHops {
		return rec, false, shardlog.Errorf(shardlog.Invalid, "republish", "the message came through %d rules: they go in a circle", hops)
	}
	rec.stream, rec.entry, err = r.publish(Publication{
		Topic: topic, Client: m.Client, QoS: r.qos, Payload: out, User: []iotsql.Property{{Name: hopProperty, Value: strconv.Itoa(hops + 1)}},
	})
	return rec, err == nil, err
}

// hopProperty is the user property that counts the rules which a message came
// through. Whoever forges it only shortens the way of his own message.
const hopProperty = "headgate-rule-hops"

func hopsOf(m *iotsql.Message) int {
	for _, p := range m.User {
		if n, err := strconv.Atoi(p.Value); p.Name == hopProperty && err == nil {
			return max(0, n)
		}
	}
	return 0
}

// failures stores what the other actions cannot make of a message, in the form
// of AWS's error action.
type failures struct {
	*program
	of []action
}

// failure is one of them.
type failure struct {
	Action   string `json:"failedAction"`
	Resource string `json:"failedResource"`
	Message  string `json:"errorMessage"`
}

func (f *failures) name() string   { return ActionErrors }
func (f *failures) target() string { return string(f.rule.Errors) }

func (f *failures) make(m *iotsql.Message) (r record, ok bool, err error) {
	var all []failure
	for _, a := range f.of {
		if _, _, err := a.make(m); err != nil {
			all = append(all, failure{a.name(), a.target(), err.Error()})
		}
	}
	if len(all) == 0 {
		return r, false, nil
	}
	payload := m.Payload
	if len(payload) > maxReported {
		payload = nil
	}
	data, err := json.Marshal(struct {
		Rule     string    `json:"ruleName"`
		Topic    string    `json:"topic"`
		Client   string    `json:"clientId"`
		Payload  []byte    `json:"base64OriginalPayload"`
		Arrived  int64     `json:"timestamp"`
		Failures []failure `json:"failures"`
	}{f.rule.Name, m.Topic, m.Client, payload, m.Arrived.UnixMilli(), all})
	if err != nil {
		return r, false, err
	}
	key := m.Client
	if key == "" || utf8.RuneCountInString(key) > shardlog.MaxPartitionKey {
		key = f.rule.Name
	}
	return record{f.rule.Errors, shardlog.Entry{Key: strings.ToValidUTF8(key, "?"), Data: data}}, true, nil
}

// maxReported is how long a payload may be that an error record holds: with
// base64 it still fits a record.
const maxReported = 700 << 10

// reach are the streams that a rule reads: where messages under its FROM lie,
// and all routed ones for Basic Ingest, which may lead anywhere.
func (p *program) reach(routes *ingest.Routes) []shardlog.StreamName { return routes.All() }
