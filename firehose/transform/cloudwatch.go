package transform

import (
	"context"

	"github.com/tidwall/gjson"

	"headgate/firehose"
)

// extraction makes one record of each message that a subscription of
// CloudWatch Logs sends, and none of its control messages. Where they are
// gzip still, a step that decompresses comes before.
type extraction struct{}

func (extraction) check() error { return nil }

func (x extraction) build(b *builder, _ Env) error {
	b.stage(expanding{x})
	return nil
}

func (extraction) expand(_ context.Context, r firehose.Record, emit func(firehose.Record)) error {
	data := trim(r.Data)
	if err := checkObject(data); err != nil {
		return err
	}
	record := gjson.ParseBytes(data)
	switch kind := record.Get("messageType"); kind.Str {
	case "CONTROL_MESSAGE":
		return nil
	case "DATA_MESSAGE":
	default:
		return refused(CodeCloudWatch, "the record's messageType is %q, not DATA_MESSAGE or CONTROL_MESSAGE", kind.String())
	}
	events := record.Get("logEvents")
	if !events.IsArray() {
		return refused(CodeCloudWatch, "the record has no logEvents")
	}
	var bad error
	parts := 0
	events.ForEach(func(_, event gjson.Result) bool {
		message := event.Get("message")
		if parts++; parts > maxParts {
			bad = refused(CodeLimit, "the record holds more than %d messages", maxParts)
		} else if message.Type != gjson.String {
			bad = refused(CodeCloudWatch, "log event %d has no message", parts)
		} else {
			one := r
			one.Data = []byte(message.Str)
			emit(one)
		}
		return bad == nil
	})
	return bad
}
