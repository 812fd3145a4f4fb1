package transform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/itchyny/gojq"

	"headgate/firehose"
)

// Query is a jq program. Each of its results is a record; one without a
// result is dropped. Programs know $key and $sequence of the record; now is
// when it arrived and localtime is UTC, so that they give the same again.
type Query struct {
	Program   string `json:"program" yaml:"program"`
	TimeLimit int    `json:"time_limit_ms,omitempty" yaml:"time_limit_ms,omitempty"` // by the wall clock, for one record; default 5000, at most 10000
	MaxBytes  int    `json:"max_bytes,omitempty" yaml:"max_bytes,omitempty"`         // of one record's results; default 1 MiB, at most 8 MiB
}

const (
	defaultQueryTime  = 5000
	maxQueryTime      = 10_000
	defaultQueryBytes = 1 << 20
)

func (o *Query) check() error {
	if o.TimeLimit < 0 || o.TimeLimit > maxQueryTime {
		return fmt.Errorf("jq: time_limit_ms is %d, up to %d are allowed", o.TimeLimit, maxQueryTime)
	}
	if o.MaxBytes < 0 || o.MaxBytes > maxExpanded {
		return fmt.Errorf("jq: max_bytes is %d, up to %d are allowed", o.MaxBytes, maxExpanded)
	}
	if _, err := compile(o.Program); err != nil {
		return fmt.Errorf("jq: %w", err)
	}
	return nil
}

func (o *Query) build(b *builder, _ Env) error {
	code, err := compile(o.Program)
	if err != nil {
		return err
	}
	p := program{code: code, time: time.Duration(o.TimeLimit) * time.Millisecond, bytes: o.MaxBytes, fault: CodeQuery}
	b.stage(expanding{querying{p.limited()}})
	return nil
}

// prelude takes away from programs what differs from one run to the next.
const prelude = `def now: $__arrived; def localtime: gmtime; def strflocaltime(f): strftime(f); .`

func compile(text string) (*gojq.Code, error) {
	if text == "" {
		return nil, errors.New("the program is empty")
	}
	query, err := gojq.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse program: %w", err)
	}
	if len(query.Imports) > 0 {
		return nil, errors.New("programs cannot import")
	}
	before, err := gojq.Parse(prelude)
	if err != nil {
		return nil, err
	}
	query.FuncDefs = append(before.FuncDefs, query.FuncDefs...)
	code, err := gojq.Compile(query, gojq.WithVariables([]string{"$__arrived", "$key", "$sequence"}))
	if err != nil {
		return nil, fmt.Errorf("compile program: %w", err)
	}
	return code, nil
}

// program is a compiled program with its limits. The time is looked at
// between its instructions.
type program struct {
	code  *gojq.Code
	time  time.Duration
	bytes int
	fault string // code of refused records
}

func (p program) limited() program {
	if p.time == 0 {
		p.time = defaultQueryTime * time.Millisecond
	}
	if p.bytes == 0 {
		p.bytes = defaultQueryBytes
	}
	return p
}

// run hands each result to do, until that fails.
func (p program) run(ctx context.Context, r firehose.Record, do func(v any) error) error {
	in, err := p.decode(r.Data)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, p.time)
	defer cancel()
	results := p.code.RunWithContext(limited, in, float64(r.Arrived.UnixMilli())/1000, r.Key, strconv.FormatUint(uint64(r.Seq), 10))
	for {
		v, more := results.Next()
		if !more {
			return nil
		}
		if err, bad := v.(error); bad {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case limited.Err() != nil:
				return refused(p.fault, "the program took longer than %v", p.time)
			}
			return refused(p.fault, "%v", err)
		}
		if err := do(v); err != nil {
			return err
		}
	}
}

// decode keeps numbers as they are written.
func (p program) decode(data []byte) (v any, err error) {
	if data = trim(data); checkJSON(data) != nil {
		return nil, refused(p.fault, "the record is not valid JSON")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, refused(p.fault, "%v", err)
	}
	return v, nil
}

type querying struct{ program }

func (q querying) expand(ctx context.Context, r firehose.Record, emit func(firehose.Record)) error {
	size, parts := 0, 0
	return q.run(ctx, r, func(v any) error {
		data, err := gojq.Marshal(v)
		if err != nil {
			return refused(q.fault, "%v", err)
		}
		size += len(data)
		if parts++; size > q.bytes || parts > maxParts {
			return refused(CodeLimit, "the program makes more than %d bytes or %d records of one", q.bytes, maxParts)
		}
		one := r
		one.Data = data
		emit(one)
		return nil
	})
}
