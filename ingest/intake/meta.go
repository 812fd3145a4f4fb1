package intake

import (
	"encoding/binary"

	"headgate/shardlog"
)

// Kind is what a record of these doors holds.
type Kind string

// The kinds.
const (
	Logs    Kind = "otlp.logs"    // an ExportLogsServiceRequest
	Metrics Kind = "otlp.metrics" // an ExportMetricsServiceRequest
	Traces  Kind = "otlp.traces"  // an ExportTraceServiceRequest
	Line    Kind = "influx.line"  // one line of Influx's line protocol
)

// Meta is what these doors keep beside a record's data, in Entry.Meta.
// FORMAT.md has the layout.
type Meta struct {
	Kind      Kind
	Type      string // content type of the data, without parameters
	Source    string // who sent it: Config.Source
	Bucket    string // of a line: bucket, or database and retention policy
	Precision string // of a line: unit of its timestamp; empty: ns
}

// Tags of the fields.
const (
	tagKind      = 1
	tagType      = 2
	tagSource    = 3
	tagBucket    = 4
	tagPrecision = 5
)

// metaVersion begins every Meta. The MQTT door's never has its two high bits, so
// that neither is taken for the other.
const metaVersion = 'I'

// Append appends the encoded form to b. Fields that are empty take no room.
func (m Meta) Append(b []byte) []byte {
	b = append(b, metaVersion)
	b = appendField(b, tagKind, string(m.Kind))
	b = appendField(b, tagType, m.Type)
	b = appendField(b, tagSource, m.Source)
	b = appendField(b, tagBucket, m.Bucket)
	return appendField(b, tagPrecision, m.Precision)
}

func appendField(b []byte, tag byte, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// DecodeMeta reads what Append wrote. Fields of later versions are passed
// over. Kind Corrupt.
func DecodeMeta(b []byte) (Meta, error) {
	if len(b) == 0 || b[0] != metaVersion {
		return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode intake meta", "version")
	}
	var m Meta
	for b = b[1:]; len(b) > 0; {
		tag := b[0]
		size, n := binary.Uvarint(b[1:])
		if n <= 0 || size > uint64(len(b)-1-n) {
			return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode intake meta", "field %d", tag)
		}
		value := string(b[1+n : 1+n+int(size)])
		b = b[1+n+int(size):]
		switch tag {
		case tagKind:
			m.Kind = Kind(value)
		case tagType:
			m.Type = value
		case tagSource:
			m.Source = value
		case tagBucket:
			m.Bucket = value
		case tagPrecision:
			m.Precision = value
		}
	}
	return m, nil
}
