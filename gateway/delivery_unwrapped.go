package gateway

import (
	"context"

	"headgate/firehose"
	"headgate/firehose/delivery"
)

// unwrapped is a transform of the records that error records hold.
type unwrapped struct{ firehose.Transform }

// Apply unwraps, then transforms.
func (u unwrapped) Apply(ctx context.Context, in []firehose.Record) (firehose.Transformed, error) {
	first, err := delivery.Unwrap{}.Apply(ctx, in)
	if err != nil {
		return first, err
	}
	second, err := u.Transform.Apply(ctx, first.Records)
	second.Refused = append(first.Refused, second.Refused...)
	return second, err
}
