package iotsql

import (
	"errors"
	"strings"

	"headgate/ingest"
	"headgate/shardlog"
)

// Statement is a compiled SELECT. It does not change, and any number may use
// it at once.
type Statement struct {
	// Filter is the topic filter of FROM; empty: there is no FROM, and only what
	// is published to the rule by Basic Ingest is meant.
	Filter string

	query query
	names bool // needs a payload of JSON
}

// run is one application of a statement.
type run struct {
	message *Message
	root    value // the payload; undefined until it is read
	left    int   // what it may still do
	over    bool
}

var errOver = errors.New("the rule would do too much with one message")

func newRun(m *Message) *run { return &run{message: m, left: maxWork} }

// spend accounts for work; false when there was too much of it.
func (r *run) spend(n int) bool {
	r.left -= n
	r.over = r.over || r.left < 0
	return !r.over
}

// weight is about how many bytes a value takes, as far as looking at it is work.
func (v value) weight() int {
	n := len(v.text) + 1
	for _, item := range v.items {
		n += item.weight()
	}
	for _, f := range v.fields {
		n += len(f.name) + f.value.weight()
	}
	return n
}

// payload is the payload as a value: JSON, or its bytes.
func (r *run) payload() value {
	if r.root.sort == undefined {
		v, err := parseJSON(r.message.Payload)
		if err != nil {
			v = value{sort: raw, text: string(r.message.Payload)}
		}
		r.root = v
	}
	return r.root
}

// Parse compiles a statement. Kind Invalid, with the place of the fault.
func Parse(sql string) (*Statement, error) {
	p, err := begin(sql)
	if err != nil {
		return nil, err
	}
	if p.peek().is("set") && p.after(1).kind != sign {
		return nil, fault(p.peek().at, "SET is not supported: write the expression where it is used")
	}
	if err := p.want("select"); err != nil {
		return nil, err
	}
	s := &Statement{}
	if s.query, err = p.selection(); err != nil {
		return nil, err
	}
	if p.take("from") {
		t := p.drop()
		if t.kind != text {
			return nil, fault(t.at, "want a topic filter in quotes, there is %v", t)
		}
		if _, err := ingest.ParseFilter(t.text); err != nil {
			return nil, fault(t.at, "%w", err)
		}
		s.Filter = strings.Clone(t.text)
	}
	if err := p.where(&s.query); err != nil {
		return nil, err
	}
	if p.peek().kind != end {
		return nil, p.unexpected("the end")
	}
	s.names = p.names
	return s, nil
}

func begin(sql string) (*parser, error) {
	tokens, err := lex(sql)
	return &parser{tokens: tokens}, err
}

// Apply applies the statement to a message: what SELECT gives out, and whether
// the message passed WHERE. An error says why the message cannot be judged; it
// is of Kind Invalid and the same whenever it is tried again.
func (s *Statement) Apply(m *Message) (out []byte, passed bool, err error) {
	r := newRun(m)
	if s.names {
		if r.root, err = parseJSON(m.Payload); err != nil {
			return nil, false, refused(err)
		}
	}
	top := scope{run: r, here: r.root}
	if !s.query.passes(top) || r.over {
		return nil, false, r.fault(nil)
	}
	if s.query.all() {
		return m.Payload, true, nil
	}
	v, err := s.query.give(top, r.payload)
	if err := r.fault(err); err != nil {
		return nil, false, err
	}
	if v.sort == raw {
		return m.Payload, true, nil
	}
	return v.append(nil), true, nil
}

// fault is what went wrong, if anything did.
func (r *run) fault(err error) error {
	if r.over {
		err = errOver
	}
	if err == nil {
		return nil
	}
	return refused(err)
}

func refused(err error) error { return shardlog.Errorf(shardlog.Invalid, "apply sql", "%w", err) }
