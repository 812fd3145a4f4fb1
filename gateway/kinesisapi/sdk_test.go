package kinesisapi_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog/quota"
)

// The AWS SDK for Go v2, as it is, does a stream's whole life.
func TestSDKWholeLife(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx := h.client(), t.Context()
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("telemetry")}); err != nil {
		t.Fatal(err)
	}
	if err := kinesis.NewStreamExistsWaiter(c).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("telemetry")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	summary := must[*kinesis.DescribeStreamSummaryOutput](t)(c.DescribeStreamSummary(ctx,
		&kinesis.DescribeStreamSummaryInput{StreamName: aws.String("telemetry")})).StreamDescriptionSummary
	if aws.ToInt32(summary.OpenShardCount) != 4 || aws.ToInt32(summary.RetentionPeriodHours) != 24 {
		t.Errorf("made %d shards, %d hours", *summary.OpenShardCount, *summary.RetentionPeriodHours)
	}
	want := "arn:aws:kinesis:eu-central-1:" + account + ":stream/telemetry"
	if aws.ToString(summary.StreamARN) != want {
		t.Errorf("ARN %s, want %s", *summary.StreamARN, want)
	}
	if age := time.Since(aws.ToTime(summary.StreamCreationTimestamp)); age > time.Minute || age < -time.Minute {
		t.Errorf("stream is %v old", age)
	}

	sent := putMany(t, c, summary.StreamARN, 1200)
	one := must[*kinesis.PutRecordOutput](t)(c.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("telemetry"),
		Data: []byte("last"), PartitionKey: aws.String("ключ \"quoted\"\n"), SequenceNumberForOrdering: aws.String(sent["key-1"].number)}))
	sent["ключ \"quoted\"\n"] = place{*one.ShardId, *one.SequenceNumber, []byte("last")}

	got := readAll(t, c, summary.StreamARN)
	for key, p := range sent {
		r, ok := got[key]
		if !ok || r.number != p.number || r.shard != p.shard || !bytes.Equal(r.data, p.data) {
			t.Errorf("%q: sent %v, read %v", key, p, r)
		}
	}
	if len(got) != len(sent) {
		t.Errorf("sent %d, read %d", len(sent), len(got))
	}
	// On a busy machine the SDK may ask for a page, or put a batch, again.
	if s := h.api.Stats(); s.RecordsIn < 1201 || s.RecordsOut < 1201 || s.RecordsIn == 1201 && s.RecordsOut == 1201 && s.BytesIn != s.BytesOut {
		t.Errorf("stats %+v", s)
	}
	if _, err := c.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamARN: summary.StreamARN}); err != nil {
		t.Fatal(err)
	}
	_, err := c.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("telemetry")})
	wantError(t, err, "ResourceNotFoundException", "Stream telemetry under account 000000000000 not found.")
}

type place struct {
	shard, number string
	data          []byte
}

func putMany(t *testing.T, c *kinesis.Client, arn *string, n int) map[string]place {
	t.Helper()
	sent := make(map[string]place)
	for at := 0; at < n; at += 400 {
		in := &kinesis.PutRecordsInput{StreamARN: arn}
		for i := at; i < min(n, at+400); i++ {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprintf("key-%d", i)),
				Data: bytes.Repeat([]byte{byte(i)}, i%7)})
		}
		out := must[*kinesis.PutRecordsOutput](t)(c.PutRecords(t.Context(), in))
		if aws.ToInt32(out.FailedRecordCount) != 0 || len(out.Records) != len(in.Records) {
			t.Fatalf("%d of %d failed", aws.ToInt32(out.FailedRecordCount), len(out.Records))
		}
		for i, r := range out.Records {
			sent[*in.Records[i].PartitionKey] = place{*r.ShardId, *r.SequenceNumber, in.Records[i].Data}
		}
	}
	return sent
}

func readAll(t *testing.T, c *kinesis.Client, arn *string) map[string]place {
	t.Helper()
	got := make(map[string]place)
	shards := must[*kinesis.ListShardsOutput](t)(c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamARN: arn})).Shards
	for _, s := range shards {
		it := must[*kinesis.GetShardIteratorOutput](t)(c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamARN: arn, ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})).ShardIterator
		last := ""
		for {
			out := must[*kinesis.GetRecordsOutput](t)(c.GetRecords(t.Context(), &kinesis.GetRecordsInput{
				ShardIterator: it, StreamARN: arn, Limit: aws.Int32(100)}))
			for _, r := range out.Records {
				if *r.SequenceNumber <= last { // of equal length: as numbers
					t.Errorf("%s after %s", *r.SequenceNumber, last)
				}
				last = *r.SequenceNumber
				got[*r.PartitionKey] = place{*s.ShardId, last, r.Data}
				if age := time.Since(*r.ApproximateArrivalTimestamp); age < -time.Second || age > time.Minute {
					t.Errorf("arrived %v ago", age)
				}
			}
			if len(out.Records) == 0 {
				break
			}
			it = out.NextShardIterator
		}
	}
	return got
}

func TestSDKCredentials(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	for _, who := range []struct{ name, id, secret, token, code string }{
		{"right", keyID, secret, "", ""},
		{"with a session token", keyID, secret, "whatever+token==", ""},
		{"wrong secret", keyID, "wrong", "", "InvalidSignatureException"},
		{"unknown key", "AKIDNOBODY", secret, "", "UnrecognizedClientException"},
	} {
		t.Run(who.name, func(t *testing.T) {
			c := h.client(func(o *kinesis.Options) {
				o.Credentials = credentials.NewStaticCredentialsProvider(who.id, who.secret, who.token)
			})
			_, err := c.ListStreams(t.Context(), &kinesis.ListStreamsInput{})
			if who.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, who.code, "")
		})
	}
}

// TestExplicitHashKeys choose the shard in both operations.
func TestExplicitHashKeys(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(once), t.Context(), aws.String("s")
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(3)}); err != nil {
		t.Fatal(err)
	}
	for _, shard := range must[*kinesis.ListShardsOutput](t)(c.ListShards(ctx, &kinesis.ListShardsInput{StreamName: s})).Shards {
		for _, hash := range []*string{shard.HashKeyRange.StartingHashKey, shard.HashKeyRange.EndingHashKey} {
			one := must[*kinesis.PutRecordOutput](t)(c.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: s, PartitionKey: aws.String("k"), ExplicitHashKey: hash, Data: []byte("x")}))
			many := must[*kinesis.PutRecordsOutput](t)(c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: s, Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), ExplicitHashKey: hash, Data: []byte("x")}}}))
			if *one.ShardId != *shard.ShardId || *many.Records[0].ShardId != *shard.ShardId {
				t.Errorf("%s went to %s and %s, want %s", *hash, *one.ShardId, *many.Records[0].ShardId, *shard.ShardId)
			}
		}
	}
}
