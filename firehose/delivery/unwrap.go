package delivery

import (
	"context"
	"encoding/json"

	"headgate/firehose"
)

// Unwrap is the transform of a redrive: of each error record, as a delivery or
// Amazon Data Firehose writes it, it makes the record that was refused. One
// line holds one error record.
type Unwrap struct{}

var _ firehose.Transform = Unwrap{}

const codeUnwrap = "Redrive.NoErrorRecord"

// Apply puts rawData in the place of the error record, under the partition key
// that it had. What is no error record is refused.
func (Unwrap) Apply(_ context.Context, in []firehose.Record) (firehose.Transformed, error) {
	var out firehose.Transformed
	for _, r := range in {
		var e struct {
			ErrorCode    *string `json:"errorCode"`
			RawData      *[]byte `json:"rawData"`
			PartitionKey string  `json:"partitionKey"`
		}
		err := json.Unmarshal(r.Data, &e)
		if err != nil || e.RawData == nil || e.ErrorCode == nil {
			out.Refused = append(out.Refused, firehose.Item{Seq: r.Seq, Code: codeUnwrap, Message: "the record is no error record with rawData"})
			continue
		}
		r.Data, r.Sub = *e.RawData, 0
		if e.PartitionKey != "" {
			r.Key = e.PartitionKey
		}
		out.Records = append(out.Records, r)
	}
	return out, nil
}
