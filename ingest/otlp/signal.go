package otlp

import "headgate/ingest/intake"

// signal is one kind of telemetry.
type signal struct {
	kind     intake.Kind
	request  shape  // of its export request
	rejected string // JSON name of the count in its partial success
}

// The signals.
var (
	logs    = &signal{intake.Logs, logsRequest, "rejectedLogRecords"}
	metrics = &signal{intake.Metrics, metricsRequest, "rejectedDataPoints"}
	traces  = &signal{intake.Traces, tracesRequest, "rejectedSpans"}
)

// codec is one encoding of requests. All its methods work on bytes that check
// has accepted, but check itself.
type codec interface {
	// mediaType is the content type.
	mediaType() string
	// check answers Invalid unless b is a well-formed message of that shape.
	check(of shape, b []byte) error
	// each calls f with the bytes of every message in the field called name
	// until f answers false.
	each(of shape, b []byte, name string, f func([]byte) bool)
	// text is the string in the field called name, the last if there are more.
	text(of shape, b []byte, name string) (string, bool)
	// head is the message without the field called name, ready for wrap.
	head(of shape, b []byte, name string) []byte
	// wrap is a message of a head and of messages for the field called name.
	wrap(of shape, head []byte, name string, parts [][]byte) []byte
	// success is an export response, with a partial success unless rejected is
	// zero and message empty.
	success(of *signal, rejected int64, message string) []byte
	// status is a google.rpc.Status.
	status(code int, message string) []byte
}
