package kinesisapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog/quota"
)

// TestEncryptionSettings: what is said of a stream's key is shown wherever
// Kinesis shows it, and changes 25 times a day.
func TestEncryptionSettings(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(once), t.Context(), aws.String("s")
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	start := func(key string) error {
		_, err := c.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{StreamName: s, EncryptionType: types.EncryptionTypeKms, KeyId: &key})
		return err
	}
	shown := func() (types.EncryptionType, string) {
		d := must[*kinesis.DescribeStreamSummaryOutput](t)(c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: s})).StreamDescriptionSummary
		put := must[*kinesis.PutRecordOutput](t)(c.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: s, PartitionKey: aws.String("k"), Data: []byte("x")}))
		if put.EncryptionType != "" && put.EncryptionType != d.EncryptionType {
			t.Errorf("a put says %q, the description %q", put.EncryptionType, d.EncryptionType)
		}
		return d.EncryptionType, aws.ToString(d.KeyId)
	}
	if err := start("alias/aws/kinesis"); err != nil {
		t.Fatal(err)
	}
	if kind, key := shown(); kind != types.EncryptionTypeKms || key != "alias/aws/kinesis" {
		t.Errorf("%s %s", kind, key)
	}
	puts := must[*kinesis.PutRecordsOutput](t)(c.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: s,
		Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("x")}}}))
	if puts.EncryptionType != types.EncryptionTypeKms || *puts.FailedRecordCount != 0 {
		t.Errorf("%+v", puts)
	}
	if _, err := c.StopStreamEncryption(ctx, &kinesis.StopStreamEncryptionInput{StreamName: s, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")}); err != nil {
		t.Fatal(err)
	}
	if kind, key := shown(); kind != types.EncryptionTypeNone || key != "" {
		t.Errorf("%s %s", kind, key)
	}
	for i := range 23 { // the same key again is no change
		for range 2 {
			if err := start(fmt.Sprint("key", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantError(t, start("one more"), "LimitExceededException", "")
	h.clock.advance(25 * time.Hour)
	if err := start("one more"); err != nil {
		t.Errorf("a day later: %v", err)
	}
	_, err := c.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{StreamName: aws.String("none"), EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("k")})
	wantError(t, err, "ResourceNotFoundException", "")
}

// TestTenScalingsADay: the eleventh has to wait.
func TestTenScalingsADay(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(once), t.Context(), aws.String("s")
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	scale := func(n int32) error {
		_, err := c.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: s, TargetShardCount: &n, ScalingType: types.ScalingTypeUniformScaling})
		return err
	}
	for i := range int32(10) {
		if err := scale(2 - (i+1)%2); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, scale(1), "LimitExceededException", "UpdateShardCount may be called 10 times in 24 hours for stream s under account 000000000000.")
	h.clock.advance(25 * time.Hour)
	if err := scale(1); err != nil {
		t.Errorf("a day later: %v", err)
	}
}
