package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"headgate/firehose"
	"headgate/shardlog"
)

// Set writes a constant, or what is known of the record, at a path, over what
// is there.
type Set struct {
	Path  string `json:"path" yaml:"path"`
	Value any    `json:"value,omitempty" yaml:"value,omitempty"` // any JSON value
	From  string `json:"from,omitempty" yaml:"from,omitempty"`   // arrival_time, arrival_millis, key, sequence or stream, instead of a value
	Keep  bool   `json:"keep,omitempty" yaml:"keep,omitempty"`   // leave what is there already
}

// about says what From may be.
func about(from string) func(r *firehose.Record, stream shardlog.StreamName) string {
	switch from {
	case "arrival_time":
		return func(r *firehose.Record, _ shardlog.StreamName) string {
			return `"` + r.Arrived.UTC().Format("2006-01-02T15:04:05.000Z07:00") + `"`
		}
	case "arrival_millis":
		return func(r *firehose.Record, _ shardlog.StreamName) string {
			return strconv.FormatInt(r.Arrived.UnixMilli(), 10)
		}
	case "key":
		return func(r *firehose.Record, _ shardlog.StreamName) string { return quote(clean(r.Key)) }
	case "sequence": // a string: not every reader of JSON knows 64-bit integers
		return func(r *firehose.Record, _ shardlog.StreamName) string {
			return `"` + strconv.FormatUint(uint64(r.Seq), 10) + `"`
		}
	case "stream":
		return func(_ *firehose.Record, stream shardlog.StreamName) string { return quote(string(stream)) }
	}
	return nil
}

func (o *Set) check() error {
	if err := checkPath(o.Path); err != nil {
		return fmt.Errorf("set: %w", err)
	}
	if o.From == "" {
		_, err := o.raw()
		return err
	}
	if o.Value != nil {
		return fmt.Errorf("set: %s has both a value and from", o.Path)
	}
	if about(o.From) == nil {
		return fmt.Errorf("set: from %q is unknown; arrival_time, arrival_millis, key, sequence and stream are known", o.From)
	}
	return nil
}

// raw is the constant as JSON; maps are in the order of their keys.
func (o *Set) raw() (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o.Value); err != nil {
		return "", fmt.Errorf("set: the value of %s: %w", o.Path, err)
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}

func (o *Set) build(b *builder, env Env) error {
	s := setting{path: o.Path, keep: o.Keep, from: about(o.From), stream: env.Stream}
	if s.from == nil {
		raw, err := o.raw()
		if err != nil {
			return err
		}
		s.raw = raw
	}
	b.edit(&s)
	return nil
}

type setting struct {
	path   string
	keep   bool
	raw    string
	from   func(r *firehose.Record, stream shardlog.StreamName) string
	stream shardlog.StreamName
}

func (s *setting) edit(d *document) (bool, error) {
	if err := d.load(); err != nil {
		return false, err
	}
	if s.keep {
		if _, there := d.get(s.path); there {
			return true, nil
		}
	}
	raw := s.raw
	if s.from != nil {
		raw = s.from(d.record, s.stream)
	}
	return true, d.set(s.path, raw)
}
