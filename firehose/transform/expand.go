package transform

import (
	"context"

	"headgate/firehose"
)

// maxParts is how many records one may become.
const maxParts = 1 << 16

// expander makes some records of one, handing them to emit. A fault refuses
// the record; any other error ends the call.
type expander interface {
	expand(ctx context.Context, r firehose.Record, emit func(firehose.Record)) error
}

// expanding is an expander as a stage.
type expanding struct{ expander }

func (e expanding) apply(ctx context.Context, in []firehose.Record, refuse refuseFunc) ([]firehose.Record, error) {
	out := make([]firehose.Record, 0, len(in))
	emit := func(r firehose.Record) { out = append(out, r) }
	for _, r := range in {
		before := len(out)
		err := e.expand(ctx, r, emit)
		if code, message, bad := reason(err); bad {
			out = out[:before]
			refuse(r.Seq, code, message)
		} else if err != nil {
			return nil, err
		}
	}
	return number(out), nil
}
