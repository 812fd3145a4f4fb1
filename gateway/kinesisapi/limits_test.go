package kinesisapi_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

const rateText = "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."

// frozen is a house whose clock stands still, with a stream "s" of one shard.
func frozen(t *testing.T, limits quota.Limits) (*house, *kinesis.Client) {
	h := open(t, limits)
	h.clock.freeze()
	c := h.client(once)
	if _, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	return h, c
}

func horizon(t *testing.T, c *kinesis.Client) *string {
	t.Helper()
	return must[*kinesis.GetShardIteratorOutput](t)(c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String("s"), ShardId: aws.String("0"), ShardIteratorType: "TRIM_HORIZON"})).ShardIterator
}

func TestFiveReadsASecond(t *testing.T) {
	h, c := frozen(t, quota.Limits{})
	it := horizon(t, c)
	for range 5 {
		if _, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
	wantError(t, err, "ProvisionedThroughputExceededException", rateText)
	h.clock.advance(200 * time.Millisecond)
	if _, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it}); err != nil {
		t.Error(err)
	}
	if s := h.api.Stats(); s.ReadsThrottled != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestFiveIteratorsASecond(t *testing.T) {
	_, c := frozen(t, quota.Limits{})
	for range 5 {
		horizon(t, c)
	}
	_, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String("s"), ShardId: aws.String("0"), ShardIteratorType: "TRIM_HORIZON"})
	wantError(t, err, "ProvisionedThroughputExceededException", rateText)
}

// A full answer has 10 MiB and closes the shard for the five seconds that
// they are worth.
func TestTenMebibytesCloseTheShard(t *testing.T) {
	h, c := frozen(t, quota.Limits{})
	for range 12 { // behind the quota's back, a second each
		h.clock.advance(time.Second)
		if _, err := h.log.Put(t.Context(), "s", []shardlog.Entry{{Key: "k", Data: make([]byte, 1<<20-1)}}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: horizon(t, c)})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Records) != 10 {
		t.Fatalf("first answer has %d records of 1 MiB", len(page.Records))
	}
	h.clock.advance(4900 * time.Millisecond)
	_, err = c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: page.NextShardIterator})
	wantError(t, err, "ProvisionedThroughputExceededException", rateText)
	h.clock.advance(101 * time.Millisecond)
	page = must[*kinesis.GetRecordsOutput](t)(c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: page.NextShardIterator}))
	if len(page.Records) != 2 {
		t.Errorf("second answer has %d records", len(page.Records))
	}
}

func TestPutRecordsFailsInPart(t *testing.T) {
	h, c := frozen(t, quota.Limits{})
	big := func() types.PutRecordsRequestEntry {
		return types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: bytes.Repeat([]byte("x"), 600<<10)}
	}
	out := must[*kinesis.PutRecordsOutput](t)(c.PutRecords(t.Context(), &kinesis.PutRecordsInput{
		StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{big(), big()}}))
	if *out.FailedRecordCount != 1 || out.Records[0].SequenceNumber == nil || out.Records[0].ErrorCode != nil {
		t.Fatalf("%d failed; first %+v", *out.FailedRecordCount, out.Records[0])
	}
	second := out.Records[1]
	if aws.ToString(second.ErrorCode) != "ProvisionedThroughputExceededException" || aws.ToString(second.ErrorMessage) != rateText ||
		second.SequenceNumber != nil || second.ShardId != nil {
		t.Errorf("second: %s %s", aws.ToString(second.ErrorCode), aws.ToString(second.ErrorMessage))
	}
	_, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: big().Data})
	wantError(t, err, "ProvisionedThroughputExceededException", rateText)
	if s := h.api.Stats(); s.RecordsIn != 1 || s.WritesThrottled != 2 {
		t.Errorf("stats %+v", s)
	}
	if ops := h.door.Stats().Ops; ops["kinesis.PutRecord"].Throttled != 1 || ops["kinesis.PutRecords"].Calls != 1 {
		t.Errorf("stats %+v", ops)
	}
}

func TestKindsBecomeErrors(t *testing.T) {
	h, c := frozen(t, quota.Limits{Off: true})
	for _, k := range []struct {
		err  error
		code string
	}{
		{shardlog.Errorf(shardlog.Unavailable, "put", "no quorum"), "ServiceUnavailable"},
		{shardlog.Errorf(shardlog.Unknown, "put", "leader gone"), "ServiceUnavailable"},
		{shardlog.Errorf(shardlog.Full, "put", "over budget"), "ProvisionedThroughputExceededException"},
		{errors.New("a secret detail"), "InternalFailure"},
		{context.DeadlineExceeded, "ServiceUnavailable"},
	} {
		h.log.Fail = func(op string) error {
			if op == "put" {
				return k.err
			}
			return nil
		}
		_, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte{1}})
		wantError(t, err, k.code, "")
		if strings.Contains(err.Error(), "secret detail") {
			t.Errorf("told the client %v", err)
		}
	}
}

func TestOwnStreamsAreReadOnly(t *testing.T) {
	h, c := frozen(t, quota.Limits{Off: true})
	if err := h.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "_gaps", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	name := aws.String("_gaps")
	_, create := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("_mine")})
	_, remove := c.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: name})
	_, put := c.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("k"), Data: []byte{1}})
	_, many := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: name,
		Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte{1}}}})
	for _, err := range []error{create, remove, put, many} {
		wantError(t, err, "AccessDeniedException", "")
	}
	if _, err := c.DescribeStream(t.Context(), &kinesis.DescribeStreamInput{StreamName: name}); err != nil {
		t.Error(err)
	}
}
