package kinesisapi_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// The texts of requests that break the model or the rules behind it, as far
// as the SDKs would even send them.
func TestRequestErrors(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	if err := h.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	one := func(at, value, constraint string) string {
		return "1 validation error detected: Value " + value + " at '" + at + "' failed to satisfy constraint: Member must " + constraint
	}
	const null = "not be null"
	pattern := "satisfy regular expression pattern: "
	long := strings.Repeat("k", 257)
	entry := `{"Data":"YQ==","PartitionKey":"k"}`
	entryName := "com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310"
	record := func(n int) string {
		return `{"PartitionKey":"k","Data":"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"}`
	}
	const v, inv, rnf = "ValidationException", "InvalidArgumentException", "ResourceNotFoundException"
	for _, c := range []struct{ op, body, code, text string }{
		{"CreateStream", `{}`, v, one("streamName", "null", null)},
		{"CreateStream", `{"StreamName":"a b"}`, v, one("streamName", "'a b'", pattern+"[a-zA-Z0-9_.-]+")},
		{"CreateStream", `{"StreamName":"x","ShardCount":0}`, v, one("shardCount", "'0'", "have value greater than or equal to 1")},
		{"CreateStream", `{"StreamName":"x","ShardCount":20000}`, "LimitExceededException", ""},
		{"CreateStream", `{"StreamName":"x","StreamModeDetails":{}}`, v, one("streamModeDetails.streamMode", "null", null)},
		{"CreateStream", `{"StreamName":"x","StreamModeDetails":{"StreamMode":"FREE"}}`, v,
			one("streamModeDetails.streamMode", "'FREE'", "satisfy enum value set: [PROVISIONED, ON_DEMAND]")},
		{"CreateStream", `{"StreamName":"x","StreamModeDetails":{"StreamMode":"PROVISIONED"}}`, v, ""},
		{"CreateStream", `{"StreamName":"x","ShardCount":1,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`, v, ""},
		{"CreateStream", `{"StreamName":"x","MaxRecordSizeInKiB":1023}`, v, one("maxRecordSizeInKiB", "'1023'", "have value greater than or equal to 1024")},
		{"CreateStream", `{"StreamName":"x","MaxRecordSizeInKiB":10241}`, v, one("maxRecordSizeInKiB", "'10241'", "have value less than or equal to 10240")},
		{"UpdateMaxRecordSize", `{}`, v, one("maxRecordSizeInKiB", "null", null)},
		{"UpdateMaxRecordSize", `{"MaxRecordSizeInKiB":2048}`, inv, "Either StreamName or StreamARN must be provided."},
		{"UpdateMaxRecordSize", `{"MaxRecordSizeInKiB":10241,"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}`, v,
			one("maxRecordSizeInKiB", "'10241'", "have value less than or equal to 10240")},
		{"UpdateMaxRecordSize", `{"MaxRecordSizeInKiB":2048,"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/none"}`, rnf, ""},
		{"CreateStream", `{"StreamName":"x","WarmThroughputMiBps":1}`, v, ""},
		{"CreateStream", `{"StreamName":"x","ShardCount":1,"RecordDistributionStrategy":"AUTO"}`, inv, ""},
		{"CreateStream", `{"StreamName":"s"}`, "ResourceInUseException", "Stream s under account 000000000000 already exists."},

		{"DeleteStream", `{}`, inv, "Either StreamName or StreamARN must be provided."},
		{"DeleteStream", `{"StreamName":"none"}`, rnf, "Stream none under account 000000000000 not found."},
		{"DescribeStream", `{"StreamName":"s","Limit":10001}`, v, one("limit", "'10001'", "have value less than or equal to 10000")},
		{"DescribeStreamSummary", `{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/none"}`, rnf,
			"Stream none under account 000000000000 not found."},
		{"DescribeStreamSummary", `{"StreamARN":"arn:aws:kinesis:us-east-1:123456789012:stream/s"}`, rnf,
			"Stream s under account 123456789012 not found."},
		{"DescribeStreamSummary", `{"StreamARN":"s"}`, v, one("streamARN", "'s'", pattern+`arn:aws.*:kinesis:.*:\d{12}:stream/\S+`)},
		{"DescribeStreamSummary", `{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","StreamName":"t"}`, inv, ""},
		{"ListStreams", `{"Limit":0}`, v, one("limit", "'0'", "have value greater than or equal to 1")},
		{"ListShards", `{}`, inv, "Either NextToken or StreamName should be provided."},
		{"ListShards", `{"StreamName":"s","ShardFilter":{"Type":"ALL"}}`, v, one("shardFilter.type", "'ALL'",
			"satisfy enum value set: [AFTER_SHARD_ID, AT_TRIM_HORIZON, FROM_TRIM_HORIZON, AT_LATEST, AT_TIMESTAMP, FROM_TIMESTAMP]")},

		{"PutRecord", `{"StreamName":"s"}`, v, one("data", "null", null)},
		{"PutRecord", `{"StreamName":"s","Data":""}`, v, one("partitionKey", "null", null)},
		{"PutRecords", `{"StreamName":"s","Records":[` + entry + `,{"Data":""}]}`, v, one("records.2.member.partitionKey", "null", null)},
		{"PutRecord", `{"StreamName":"s","Data":"","PartitionKey":"` + long + `"}`, v, one("partitionKey", "'"+long+"'", "have length less than or equal to 256")},
		{"PutRecord", `{"StreamName":"s","Data":"","PartitionKey":"k","ExplicitHashKey":"01"}`, v, one("explicitHashKey", "'01'", pattern+`0|([1-9]\d{0,38})`)},
		{"PutRecord", `{"StreamName":"s","Data":"","PartitionKey":"k","ExplicitHashKey":"340282366920938463463374607431768211456"}`, inv,
			"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456"},
		{"PutRecord", `{"StreamName":"s","Data":"","PartitionKey":"k","SequenceNumberForOrdering":"5"}`, inv,
			"ExclusiveMinimumSequenceNumber 5 used in PutRecord on stream s under account 000000000000 is invalid."},
		{"PutRecord", `{"StreamName":"none","Data":"","PartitionKey":"k"}`, rnf, "Stream none under account 000000000000 not found."},
		{"PutRecord", `{"StreamName":"s",` + record(1 << 20)[1:], v, ""},
		{"PutRecord", `{"StreamName":"s","Data":"","PartitionKey":"k","DryRun":true}`, "DryRunOperationException", ""},

		{"PutRecords", `{"StreamName":"s","Records":[]}`, v, one("records", "'[]'", "have length greater than or equal to 1")},
		{"PutRecords", `{"StreamName":"s","Records":[null]}`, v, ""},
		{"PutRecords", `{"StreamName":"s","Records":[` + entry + `,{"PartitionKey":"","Data":""}]}`, v,
			one("records.2.member.partitionKey", "''", "have length greater than or equal to 1")},
		{"PutRecords", `{"StreamName":"s","Records":[` + strings.Repeat(entry+",", 500) + entry + `]}`, v,
			one("records", "'["+strings.Repeat(entryName+", ", 500)+entryName+"]'", "have length less than or equal to 500")},
		{"PutRecords", `{"StreamName":"s","Records":[` + entry + `,` + record(1<<20) + `]}`, v, "1 validation error detected: Value at 'records.2.member.data' " +
			"failed to satisfy constraint: Member must have length less than or equal to 1048576"},
		{"PutRecords", `{"StreamName":"s","Records":[` + strings.Repeat(record(1<<20-1)+",", 10) + entry + `]}`, inv, "Records size exceeds 10 MB limit"},
		{"PutRecords", `{"StreamName":"s","Records":[{"Data":"","PartitionKey":"k","ExplicitHashKey":"999999999999999999999999999999999999999"}]}`, inv, ""},
		{"PutRecords", `{"StreamName":"none","Records":[` + entry + `]}`, rnf, "Stream none under account 000000000000 not found."},
		{"PutRecords", `{"StreamName":"s","DryRun":true,"Records":[` + entry + `]}`, "DryRunOperationException", ""},

		{"GetShardIterator", `{"StreamName":"s"}`, v, "2 validation errors detected: Value null at 'shardId' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'shardIteratorType' failed to satisfy constraint: Member must not be null"},
		{"GetShardIterator", `{"StreamName":"s","ShardId":"0","ShardIteratorType":"NOW"}`, v, one("shardIteratorType", "'NOW'",
			"satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]")},
		{"GetShardIterator", `{"StreamName":"none","ShardId":"0","ShardIteratorType":"LATEST"}`, rnf,
			"Shard shardId-000000000000 in stream none under account 000000000000 does not exist"},
		{"GetShardIterator", `{"StreamName":"s","ShardId":"0","ShardIteratorType":"LATEST","DryRun":true}`, "DryRunOperationException", ""},
		{"GetRecords", `{}`, v, one("shardIterator", "null", null)},
		{"GetRecords", `{"ShardIterator":"` + strings.Repeat("A", 513) + `"}`, v, one("shardIterator", "'"+strings.Repeat("A", 513)+"'", "have length less than or equal to 512")},
	} {
		answer, err := http.DefaultClient.Do(signedRequest(t, h.url, c.op, []byte(c.body)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got := string(text)
		name := c.op + " " + c.body[:min(len(c.body), 120)]
		if answer.StatusCode != 400 || answer.Header.Get("x-amzn-ErrorType") != c.code {
			t.Errorf("%s:\ngot  %d %.300s\nwant %s", name, answer.StatusCode, got, c.code)
		}
		quoted := strings.NewReplacer(`\`, `\\`).Replace(c.text)
		if c.text != "" && got != `{"__type":"`+c.code+`","message":"`+quoted+`"}` {
			t.Errorf("%s:\ngot  %.600s\nwant %.600s", name, got, c.text)
		}
	}
	if s := h.api.Stats(); s.RecordsIn != 0 {
		t.Errorf("stored %d records", s.RecordsIn)
	}
}

func TestCreateOnDemand(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	answer, err := http.DefaultClient.Do(signedRequest(t, h.url, "CreateStream",
		[]byte(`{"StreamName":"x","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 || len(body) != 0 {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
	d := must[*kinesis.DescribeStreamOutput](t)(h.client().DescribeStream(t.Context(),
		&kinesis.DescribeStreamInput{StreamName: aws.String("x")})).StreamDescription
	if len(d.Shards) != 4 || *d.HasMoreShards || d.StreamStatus != "ACTIVE" || d.EncryptionType != "NONE" || len(d.EnhancedMonitoring) != 1 {
		t.Errorf("%+v", d)
	}
	if last := d.Shards[3].HashKeyRange; *last.EndingHashKey != "340282366920938463463374607431768211455" {
		t.Errorf("last shard ends at %s", *last.EndingHashKey)
	}
}
