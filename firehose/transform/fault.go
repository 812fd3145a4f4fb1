package transform

import (
	"errors"
	"fmt"
)

// The codes of refused records. Firehose knows the two of partitioning and of
// functions under these names.
const (
	CodeNotJSON      = "Transform.NotJSON"
	CodeEdit         = "Transform.EditFailed"
	CodeCast         = "Transform.CastFailed"
	CodeFlatten      = "Transform.FlattenFailed"
	CodeQuery        = "Transform.QueryFailed"
	CodeLimit        = "Transform.LimitExceeded"
	CodeDecompress   = "Transform.DecompressionFailed"
	CodeCloudWatch   = "Transform.CloudWatchLogsFailed"
	CodePartition    = "DynamicPartitioning.MetadataExtractionFailed"
	CodeLambdaFailed = "Lambda.ProcessingFailedStatus"
)

// fault is why one record is refused.
type fault struct{ code, message string }

func (f *fault) Error() string { return f.code + ": " + f.message }

func refused(code, format string, args ...any) error {
	return &fault{code, fmt.Sprintf(format, args...)}
}

// reason is the code and message of an error that refuses a record; other
// errors end the whole call.
func reason(err error) (code, message string, ok bool) {
	var f *fault
	if errors.As(err, &f) {
		return f.code, f.message, true
	}
	return "", "", false
}
