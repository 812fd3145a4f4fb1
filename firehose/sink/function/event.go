package function

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"

	"headgate/firehose"
)

// event is what a function gets from a stream ("Using AWS Lambda with Amazon
// Kinesis", Lambda developer guide).
type event struct {
	Records []record
}

type record struct {
	Kinesis           kinesis `json:"kinesis"`
	EventSource       string  `json:"eventSource"`
	EventVersion      string  `json:"eventVersion"`
	EventID           string  `json:"eventID"`
	EventName         string  `json:"eventName"`
	InvokeIdentityARN string  `json:"invokeIdentityArn"`
	AWSRegion         string  `json:"awsRegion"`
	EventSourceARN    string  `json:"eventSourceARN"`
}

type kinesis struct {
	SchemaVersion  string  `json:"kinesisSchemaVersion"`
	PartitionKey   string  `json:"partitionKey"`
	SequenceNumber string  `json:"sequenceNumber"` // its place in the shard, which names it in batchItemFailures
	Data           []byte  `json:"data"`           // base64
	Arrival        float64 `json:"approximateArrivalTimestamp"`
}

// events are the batch as a function reads it: one event for each part, nil
// for a part without records. A key is always in the same part, so that its
// records stay in order.
func (s *Sink) events(ctx context.Context, b *firehose.Batch) ([][]byte, error) {
	arn := fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", s.config.Region, account, b.Stream)
	shard := fmt.Sprintf("shardId-%012d", b.Shard.Number)
	parts := make([]event, s.config.Parallel)
	err := b.Each(ctx, func(r firehose.Record, _ []byte) error {
		h := fnv.New32a()
		h.Write([]byte(r.Key))
		e := &parts[h.Sum32()%uint32(len(parts))]
		e.Records = append(e.Records, record{
			Kinesis: kinesis{SchemaVersion: "1.0", PartitionKey: r.Key, SequenceNumber: r.Place(), Data: append([]byte(nil), r.Data...),
				Arrival: float64(r.Arrived.UnixMilli()) / 1000},
			EventSource: "aws:kinesis", EventVersion: "1.0", EventID: shard + ":" + b.DocumentID(r), EventName: "aws:kinesis:record",
			InvokeIdentityARN: "arn:aws:iam::" + account + ":role/headgate", AWSRegion: s.config.Region, EventSourceARN: arn,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	texts := make([][]byte, len(parts))
	for i, e := range parts {
		if len(e.Records) == 0 {
			continue
		}
		if texts[i], err = json.Marshal(e); err != nil {
			return nil, err
		}
	}
	return texts, nil
}
