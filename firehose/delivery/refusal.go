package delivery

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// refusal is a record that cannot be delivered, and why. It is sealed with
// the intent, so that the error object is the same in every attempt.
type refusal struct {
	Seq      shardlog.Seq `json:"seq"`
	Code     string       `json:"code"`
	Message  string       `json:"message"`
	Attempts int          `json:"attempts"`
	Ended    int64        `json:"ended"` // Unix milliseconds
}

const (
	maxRefused     = 64  // of one intent, so that its value stays far below the limit of a state
	maxRefusalText = 200 // bytes of code and of message
)

// Codes of refusals that are our own.
const (
	codeEncode   = "Encode.Refused"
	codeTooLarge = "Record.TooLarge"
	codePoison   = "Destination.Refused"
)

func refuse(seq shardlog.Seq, code, message string, attempts int, now time.Time) refusal {
	return refusal{Seq: seq, Code: clip(code), Message: clip(message), Attempts: attempts, Ended: now.UnixMilli()}
}

func clip(s string) string {
	if len(s) > maxRefusalText {
		s = s[:maxRefusalText]
	}
	return s
}

// errorRecord is one line of an error object, as Amazon Data Firehose writes
// it, and the record's place besides.
type errorRecord struct {
	AttemptsMade           int    `json:"attemptsMade"`
	ArrivalTimestamp       int64  `json:"arrivalTimestamp"`
	ErrorCode              string `json:"errorCode"`
	ErrorMessage           string `json:"errorMessage"`
	AttemptEndingTimestamp int64  `json:"attemptEndingTimestamp"`
	RawData                []byte `json:"rawData"` // base64
	SequenceNumber         string `json:"sequenceNumber"`
	PartitionKey           string `json:"partitionKey"`
}

// errorEncoder makes the content of error objects: AWS's error records, one
// a line, compressed as the delivery's other objects are.
type errorEncoder struct {
	codec   firehose.Encoder
	shard   shardlog.Shard
	refused func(shardlog.Seq) (refusal, bool)
}

var _ firehose.Encoder = errorEncoder{}

// Frame appends the error record of r.
func (e errorEncoder) Frame(dst []byte, r firehose.Record) ([]byte, error) {
	why, ok := e.refused(r.Seq)
	if !ok {
		return dst, fmt.Errorf("record %d was not refused", r.Seq)
	}
	line, err := json.Marshal(errorRecord{
		AttemptsMade: why.Attempts, ArrivalTimestamp: r.Arrived.UnixMilli(), ErrorCode: why.Code, ErrorMessage: why.Message,
		AttemptEndingTimestamp: why.Ended, RawData: r.Data, SequenceNumber: e.shard.Number(r.Seq, r.Arrived).String(), PartitionKey: r.Key,
	})
	if err != nil {
		return dst, err
	}
	return append(append(dst, line...), '\n'), nil
}

// Compress compresses into w.
func (e errorEncoder) Compress(w io.Writer) (io.WriteCloser, error) { return e.codec.Compress(w) }

// Expand undoes Compress.
func (e errorEncoder) Expand(r io.Reader) (io.ReadCloser, error) { return e.codec.Expand(r) }

// Extension is that of the delivery's other objects.
func (e errorEncoder) Extension() string { return e.codec.Extension() }
