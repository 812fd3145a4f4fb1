// Command lambda is a function for the tests: an unmodified bootstrap of
// aws-lambda-go that transforms Firehose's records. What it does to a record
// is the record's first word.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	if os.Getenv("TEST_INIT") == "exit" {
		fmt.Println("no start today")
		os.Exit(3)
	}
	if os.Getenv("TEST_EVENT") == "kinesis" {
		lambda.Start(mapped)
	}
	lambda.Start(handle)
}

// mapped takes the event of an event source mapping. A record that says so
// fails alone.
func mapped(_ context.Context, e events.KinesisEvent) (events.KinesisEventResponse, error) {
	var reply events.KinesisEventResponse
	for _, r := range e.Records {
		if r.EventSource != "aws:kinesis" || r.Kinesis.SequenceNumber == "" || r.Kinesis.PartitionKey == "" || r.Kinesis.ApproximateArrivalTimestamp.IsZero() {
			return reply, fmt.Errorf("no record of a stream: %+v", r)
		}
		if strings.HasPrefix(string(r.Kinesis.Data), "fail") {
			reply.BatchItemFailures = append(reply.BatchItemFailures, events.KinesisBatchItemFailure{ItemIdentifier: r.Kinesis.SequenceNumber})
		}
	}
	return reply, nil
}

func handle(ctx context.Context, e events.KinesisFirehoseEvent) (events.KinesisFirehoseResponse, error) {
	var reply events.KinesisFirehoseResponse
	for _, r := range e.Records {
		out := events.KinesisFirehoseResponseRecord{RecordID: r.RecordID, Result: events.KinesisFirehoseTransformedStateOk}
		word, rest, _ := strings.Cut(string(r.Data), " ")
		switch word {
		case "drop":
			out.Result = events.KinesisFirehoseTransformedStateDropped
		case "fail":
			out.Result = events.KinesisFirehoseTransformedStateProcessingFailed
		case "forget":
			continue
		case "twice":
			reply.Records = append(reply.Records, out)
		case "error":
			return reply, errors.New("the function says no")
		case "crash":
			os.Exit(1)
		case "hang":
			time.Sleep(time.Hour)
		case "eat":
			eaten := make([][]byte, 0)
			for range 1024 {
				eaten = append(eaten, bytes.Repeat([]byte{1}, 1<<20))
			}
			fmt.Println(len(eaten))
		case "partition":
			out.Metadata.PartitionKeys = map[string]string{"site": rest}
			out.Data = r.Data
		case "environment":
			out.Data = []byte(strings.Join(os.Environ(), "\n"))
		default:
			fmt.Println("saw", string(r.Data))
			out.Data = []byte(fmt.Sprintf("%s %s %s %d", strings.ToUpper(string(r.Data)), r.KinesisFirehoseRecordMetadata.PartitionKey,
				r.KinesisFirehoseRecordMetadata.SequenceNumber, r.ApproximateArrivalTimestamp.UnixMilli()))
		}
		reply.Records = append(reply.Records, out)
	}
	return reply, nil
}
