// Package rules applies rules of AWS IoT to what devices publish: a statement
// of SQL, and what is done with its output. An action is tried until it has
// been done, from a cursor that moves in the command that does it: each record
// of a rule's stream is there once. The package knows records and topics; it
// knows no protocol and no network.
package rules

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"headgate/ingest"
	"headgate/ingest/iotsql"
	"headgate/shardlog"
)

// Rule is what somebody asks for: at least one action, and where its errors go.
type Rule struct {
	Name      string              `json:"name"` // letters, digits and _, as AWS has them
	SQL       string              `json:"sql"`
	Kinesis   *Kinesis            `json:"kinesis,omitempty"`
	Republish *Republish          `json:"republish,omitempty"`
	Errors    shardlog.StreamName `json:"error_stream,omitempty"` // empty: errors are counted and logged
}

// Kinesis is the action that puts the output into a stream of the site. To get
// it to a cloud, make a delivery of that stream.
type Kinesis struct {
	Stream shardlog.StreamName `json:"stream"`
	Key    string              `json:"key,omitempty"` // template of the partition key; empty: ${clientid()}
}

// Republish is the action that publishes the output under another topic.
type Republish struct {
	Topic string `json:"topic"` // template
	QoS   byte   `json:"qos"`
}

// The actions by name.
const (
	ActionKinesis   = "kinesis"
	ActionRepublish = "republish"
	ActionErrors    = "errors"
)

const (
	maxName    = 128
	maxTopic   = 256 // bytes
	maxHops    = 8   // rules that a message may come through
	defaultKey = "${clientid()}"
)

// program is a compiled rule.
type program struct {
	rule      Rule
	statement *iotsql.Statement
	filter    ingest.Filter
	actions   []action
}

// compile reads a rule. Kind Invalid.
func compile(r Rule, publish Publish) (*program, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	s, err := iotsql.Parse(r.SQL)
	if err != nil {
		return nil, err
	}
	p := &program{rule: r, statement: s}
	if s.Filter != "" {
		if p.filter, err = ingest.ParseFilter(s.Filter); err != nil {
			return nil, err
		}
	}
	if r.Kinesis != nil {
		a, err := newKinesis(p, *r.Kinesis)
		if err != nil {
			return nil, err
		}
		p.actions = append(p.actions, a)
	}
	if r.Republish != nil {
		a, err := newRepublish(p, *r.Republish, publish)
		if err != nil {
			return nil, err
		}
		p.actions = append(p.actions, a)
	}
	if r.Errors != "" {
		p.actions = append(p.actions, &failures{program: p, of: slices.Clone(p.actions)})
	}
	return p, nil
}

func invalid(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "make rule", format, args...)
}

// check looks at all but the statement and the templates.
func (r Rule) check() error {
	if r.Name == "" || len(r.Name) > maxName || strings.Trim(r.Name, nameBytes) != "" {
		return invalid("name %q: letters, digits and _ are allowed, at most %d", r.Name, maxName)
	}
	if r.Kinesis == nil && r.Republish == nil {
		return invalid("%s: it has no action", r.Name)
	}
	streams := []shardlog.StreamName{}
	if r.Kinesis != nil {
		streams = append(streams, r.Kinesis.Stream)
	}
	if r.Errors != "" {
		streams = append(streams, r.Errors)
	}
	for _, s := range streams {
		if err := s.Check(); err != nil {
			return err
		}
		if s.Own() {
			return invalid("%s: stream %s is the gateway's own", r.Name, s)
		}
	}
	if r.Republish != nil && r.Republish.QoS > 2 {
		return invalid("%s: QoS %d", r.Name, r.Republish.QoS)
	}
	return nil
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// checkTopic says why nothing can be published under a topic.
func checkTopic(topic string) error {
	switch {
	case topic == "" || len(topic) > maxTopic:
		return invalid("a topic has 1 to %d bytes, this one %d", maxTopic, len(topic))
	case strings.HasPrefix(topic, "$"):
		return invalid("topic %q: those that begin with $ are reserved", topic)
	case strings.ContainsAny(topic, "+#\x00") || !utf8.ValidString(topic):
		return invalid("topic %q has a wildcard in it, or is not UTF-8", topic)
	}
	return nil
}

// sees reports whether the message is one for the rule; then its topic is as
// the rule shall know it.
func (p *program) sees(m *iotsql.Message) bool {
	if strings.HasPrefix(m.Topic, "$") {
		rule, rest, ok := ingest.BasicIngest(m.Topic)
		if ok && rule == p.rule.Name {
			m.Topic = rest
			return true
		}
		return false // of what else is reserved nothing lies in the log
	}
	return p.statement.Filter != "" && p.filter.Matches(m.Topic)
}

// Result is what a statement makes of one message.
type Result struct {
	Matched bool   // the topic lies under FROM
	Passed  bool   // and WHERE is true
	Output  []byte // of what passed
}

// Try applies a statement to a message. Kind Invalid: the statement, or the
// message for it, is malformed.
func Try(sql string, m iotsql.Message) (r Result, err error) {
	s, err := iotsql.Parse(sql)
	if err != nil {
		return r, err
	}
	if _, rest, basic := ingest.BasicIngest(m.Topic); basic {
		m.Topic, r.Matched = rest, true
	} else if s.Filter != "" {
		f, err := ingest.ParseFilter(s.Filter)
		if err != nil {
			return r, err
		}
		r.Matched = f.Matches(m.Topic)
	}
	if r.Matched {
		r.Output, r.Passed, err = s.Apply(&m)
	}
	return r, err
}

// Row is a rule as the site keeps it.
type Row struct {
	Rule
	ID       string              `json:"id"` // of this run of the rule: new when it is made or enabled
	Disabled bool                `json:"disabled,omitempty"`
	Created  time.Time           `json:"created"`
	Since    time.Time           `json:"since"`             // of this run
	Streams  []shardlog.StreamID `json:"streams,omitempty"` // in which it had a place at once
}
