package kinesis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/kinesis"
	"headgate/firehose/sinktest"
	"headgate/gateway"
)

// headquarters is a gateway whose stream "up" takes what others deliver.
type headquarters struct {
	endpoint, id, secret string
	client               *sdk.Client
	name                 string // of the stream that holds what came
}

func open(t *testing.T) *headquarters {
	t.Helper()
	c := gateway.Defaults()
	c.Data, c.API, c.MQTT, c.Console, c.Log.Level = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "error"
	g, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-g.Ready():
	case err := <-done:
		t.Fatal(err)
	}
	h := &headquarters{endpoint: "http://" + g.Addresses().API, name: "up"}
	h.id, h.secret = g.FirstKey().ID, g.FirstKey().Secret
	h.client = sdk.New(sdk.Options{BaseEndpoint: &h.endpoint, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(h.id, h.secret, "")})
	h.make(t)
	return h
}

func (h *headquarters) make(t *testing.T) {
	t.Helper()
	if _, err := h.client.CreateStream(t.Context(), &sdk.CreateStreamInput{StreamName: aws.String("up"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	if err := sdk.NewStreamExistsWaiter(h.client).Wait(t.Context(), &sdk.DescribeStreamInput{StreamName: aws.String("up")}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func (h *headquarters) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	s, err := kinesis.Open(kinesis.Config{Stream: "up", Endpoint: h.endpoint, AccessKey: h.id, SecretKey: h.secret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *headquarters) Documents(t *testing.T) (found []string) {
	t.Helper()
	shards, err := h.client.ListShards(t.Context(), &sdk.ListShardsInput{StreamName: &h.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards.Shards {
		at, err := h.client.GetShardIterator(t.Context(), &sdk.GetShardIteratorInput{StreamName: &h.name, ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		for next := at.ShardIterator; ; {
			out, err := h.client.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: next})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range out.Records {
				var d struct {
					Batch string
					N     int
				}
				if err := json.Unmarshal(r.Data, &d); err != nil {
					t.Errorf("%s: %v", r.Data, err)
				}
				found = append(found, fmt.Sprintf("%s/%d", d.Batch, d.N))
			}
			if next = out.NextShardIterator; len(out.Records) == 0 {
				break
			}
		}
	}
	return found
}

// Break deletes the stream; mend makes it anew.
func (h *headquarters) Break(t *testing.T) (mend func()) {
	if _, err := h.client.DeleteStream(t.Context(), &sdk.DeleteStreamInput{StreamName: aws.String("up")}); err != nil {
		t.Fatal(err)
	}
	return func() { h.make(t) }
}

func TestConformance(t *testing.T) {
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	sinktest.RunRecords(t, e, sinktest.Guarantee{}, func(t *testing.T) sinktest.Desk { return open(t) })
}

func TestAWrongSecretIsAnAuthError(t *testing.T) {
	h := open(t)
	h.secret = "wrong"
	if r := h.Sink(t).Probe(t.Context()); r.Class != firehose.Auth {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

func TestNothingIsOpenedWithoutAName(t *testing.T) {
	if _, err := kinesis.Open(kinesis.Config{AccessKey: "a", SecretKey: "b"}); err == nil {
		t.Error("no stream was named")
	}
}

// What a stream takes in part is put again without the part that it took.
func TestOnlyWhatWasRefusedIsPutAgain(t *testing.T) {
	var puts, entries atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Records []struct{ PartitionKey string }
		}
		_ = json.NewDecoder(r.Body).Decode(&in)
		var out struct {
			FailedRecordCount int
			Records           []map[string]string
		}
		first := puts.Add(1) == 1
		entries.Add(int64(len(in.Records)))
		for i := range in.Records {
			if first && i%2 == 1 {
				out.FailedRecordCount++
				out.Records = append(out.Records, map[string]string{"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
				continue
			}
			out.Records = append(out.Records, map[string]string{"SequenceNumber": "1", "ShardId": "shardId-000000000000"})
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(out)
	}))
	defer server.Close()
	s, err := kinesis.Open(kinesis.Config{Stream: "up", Endpoint: server.URL, AccessKey: "a", SecretKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Deliver(t.Context(), sinktest.Documents(e, "part", 10, 100)); !r.Done() {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	if puts.Load() != 2 || entries.Load() != 15 {
		t.Errorf("%d puts of %d entries, want 2 of 15", puts.Load(), entries.Load())
	}
}
