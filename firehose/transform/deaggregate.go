package transform

import (
	"context"
	"fmt"

	"headgate/firehose"
	"headgate/firehose/transform/aggregate"
	"headgate/shardlog"
)

// deaggregation unpacks what the Kinesis Producer Library packed. A record
// that only looks like it is passed as it is.
type deaggregation struct{}

func (deaggregation) check() error { return nil }

func (d deaggregation) build(b *builder, _ Env) error {
	b.stage(expanding{d})
	return nil
}

func (deaggregation) expand(_ context.Context, r firehose.Record, emit func(firehose.Record)) error {
	var bad error
	parts := 0
	packed := aggregate.Read(r.Data, func(user aggregate.Record) bool {
		if parts++; parts > maxParts {
			bad = refused(CodeLimit, "the record holds more than %d others", maxParts)
			return false
		}
		one := r
		one.Data, one.Key, one.Hash = user.Data, user.Key, nil
		if user.Explicit != "" {
			hash, err := shardlog.ParseHash(user.Explicit)
			if err == nil {
				one.Hash = &hash
			}
		}
		emit(one)
		return true
	})
	if !packed && bad == nil {
		emit(r)
	}
	return bad
}

// delimiter is appended to each record.
type delimiter string

const maxDelimiter = 64

func (d delimiter) check() error {
	if len(d) > maxDelimiter {
		return fmt.Errorf("append_delimiter: it has %d bytes, %d are allowed", len(d), maxDelimiter)
	}
	return nil
}

func (d delimiter) build(b *builder, _ Env) error {
	b.stage(expanding{d})
	return nil
}

func (d delimiter) expand(_ context.Context, r firehose.Record, emit func(firehose.Record)) error {
	data := make([]byte, 0, len(r.Data)+len(d))
	r.Data = append(append(data, r.Data...), d...)
	emit(r)
	return nil
}
