package kinesisapi_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// reader is a stream "s" of one shard and a client of it.
type reader struct {
	*house
	t      *testing.T
	client *kinesis.Client
}

func openReader(t *testing.T) *reader {
	h := open(t, quota.Limits{Off: true})
	r := &reader{house: h, t: t, client: h.client(once)}
	if _, err := r.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reader) put(data string) (number string) {
	r.t.Helper()
	return *must[*kinesis.PutRecordOutput](r.t)(r.client.PutRecord(r.t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: []byte(data)})).SequenceNumber
}

func (r *reader) iterator(in kinesis.GetShardIteratorInput) (*string, error) {
	in.StreamName = aws.String("s")
	if in.ShardId == nil {
		in.ShardId = aws.String("shardId-000000000000")
	}
	out, err := r.client.GetShardIterator(r.t.Context(), &in)
	if err != nil {
		return nil, err
	}
	return out.ShardIterator, nil
}

func (r *reader) read(iterator *string) *kinesis.GetRecordsOutput {
	r.t.Helper()
	return must[*kinesis.GetRecordsOutput](r.t)(r.client.GetRecords(r.t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator}))
}

func joined(records []types.Record) string {
	text := ""
	for _, r := range records {
		text += string(r.Data)
	}
	return text
}

func TestIteratorTypes(t *testing.T) {
	r := openReader(t)
	_ = r.put("a")
	b := r.put("b")
	r.clock.advance(10 * time.Second)
	between := r.clock.now().Add(-5 * time.Second)
	_ = r.put("c")
	last := r.put("d")
	for _, c := range []struct {
		name string
		in   kinesis.GetShardIteratorInput
		now  string // what is read at once
	}{
		{"trim horizon", kinesis.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"}, "abcd"},
		{"latest", kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST"}, ""},
		{"at number", kinesis.GetShardIteratorInput{ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: &b}, "bcd"},
		{"after number", kinesis.GetShardIteratorInput{ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: &b}, "cd"},
		{"after the last", kinesis.GetShardIteratorInput{ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: &last}, ""},
		{"at time", kinesis.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP", Timestamp: &between}, "cd"},
		{"long ago", kinesis.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP", Timestamp: aws.Time(time.Unix(1, 0))}, "abcd"},
		{"short shard id", kinesis.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON", ShardId: aws.String("shardId-0")}, "abcd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			it, err := r.iterator(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if len(*it) > 512 {
				t.Errorf("iterator has %d characters", len(*it))
			}
			page := r.read(aws.String(`"` + *it + `"`)) // as pasted from the command line
			if got := joined(page.Records); got != c.now {
				t.Errorf("read %q, want %q", got, c.now)
			}
			if *page.MillisBehindLatest != 0 {
				t.Errorf("%d ms behind at the tip", *page.MillisBehindLatest)
			}
		})
	}
	latest, err := r.iterator(kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST"})
	if err != nil {
		t.Fatal(err)
	}
	r.put("e")
	if got := joined(r.read(latest).Records); got != "e" {
		t.Errorf("from LATEST read %q", got)
	}
}

func TestMillisBehindLatest(t *testing.T) {
	r := openReader(t)
	r.put("a")
	r.put("b")
	r.clock.advance(time.Minute)
	it, err := r.iterator(kinesis.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})
	if err != nil {
		t.Fatal(err)
	}
	page := must[*kinesis.GetRecordsOutput](t)(r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(1)}))
	if behind := *page.MillisBehindLatest; behind < 59_000 || behind > 120_000 {
		t.Errorf("%d ms behind after the first of two", behind)
	}
	if behind := *r.read(page.NextShardIterator).MillisBehindLatest; behind != 0 {
		t.Errorf("%d ms behind at the tip", behind)
	}
}

func TestIteratorErrors(t *testing.T) {
	r := openReader(t)
	number := r.put("a")
	parsed, err := shardlog.ParseSequenceNumber(number)
	if err != nil {
		t.Fatal(err)
	}
	other, future, foreign := parsed, parsed, parsed
	other.Shard, foreign.Created = 7, parsed.Created-100
	future.Index += 5
	otherText, futureText, foreignText := other.String(), future.String(), foreign.String()
	const must = "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber " +
		"or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified "
	used := " used in GetShardIterator on shard shardId-000000000000 in stream s under account 000000000000 is invalid"
	for _, c := range []struct {
		name, code, text string
		in               kinesis.GetShardIteratorInput
	}{
		{"no number", "InvalidArgumentException", must + "AT_SEQUENCE_NUMBER and no StartingSequenceNumber.",
			kinesis.GetShardIteratorInput{ShardIteratorType: "AT_SEQUENCE_NUMBER"}},
		{"number too much", "InvalidArgumentException", must + "LATEST and also a StartingSequenceNumber.",
			kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST", StartingSequenceNumber: &number}},
		{"no number at all", "InvalidArgumentException", "StartingSequenceNumber 12" + used + ".",
			kinesis.GetShardIteratorInput{ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: aws.String("12")}},
		{"of another shard", "InvalidArgumentException",
			"Invalid StartingSequenceNumber. It encodes shardId-000000000007, while it was used in a call to a shard with shardId-000000000000",
			kinesis.GetShardIteratorInput{ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: &otherText}},
		{"of another stream", "InvalidArgumentException", "StartingSequenceNumber " + foreignText + used + " because it did not come from this stream.",
			kinesis.GetShardIteratorInput{ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: &foreignText}},
		{"never given", "InvalidArgumentException", "StartingSequenceNumber " + futureText + used + ".",
			kinesis.GetShardIteratorInput{ShardIteratorType: "AT_SEQUENCE_NUMBER", StartingSequenceNumber: &futureText}},
		{"no time", "InvalidArgumentException",
			"Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
			kinesis.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP"}},
		{"future time", "InvalidArgumentException", "",
			kinesis.GetShardIteratorInput{ShardIteratorType: "AT_TIMESTAMP", Timestamp: aws.Time(time.Now().Add(time.Hour))}},
		{"no such shard", "ResourceNotFoundException", "Shard shardId-000000000009 in stream s under account 000000000000 does not exist",
			kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST", ShardId: aws.String("shardId-000000000009")}},
		{"no shard id", "ResourceNotFoundException", "Could not find shard nonsense in stream s under account 000000000000.",
			kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST", ShardId: aws.String("nonsense")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.iterator(c.in)
			wantError(t, err, c.code, c.text)
		})
	}
}

func TestTamperedIterator(t *testing.T) {
	r := openReader(t)
	it, err := r.iterator(kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(*it)
	if err != nil {
		t.Fatal(err)
	}
	forged := []string{"nonsense", "AAAA", *it + "AAAA", (*it)[:len(*it)-8]}
	for i := range raw {
		changed := append([]byte{}, raw...)
		changed[i] ^= 1
		forged = append(forged, base64.StdEncoding.EncodeToString(changed))
	}
	for _, text := range forged {
		_, err := r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &text})
		wantError(t, err, "InvalidArgumentException", "Invalid ShardIterator.")
	}
	again, _ := r.iterator(kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST"})
	if *again == *it {
		t.Error("two iterators are the same")
	}
}

func TestExpiredIterator(t *testing.T) {
	r := openReader(t)
	it, err := r.iterator(kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST"})
	if err != nil {
		t.Fatal(err)
	}
	r.clock.advance(4 * time.Minute)
	r.read(it)
	r.clock.advance(61 * time.Second)
	_, err = r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
	wantError(t, err, "ExpiredIteratorException", "")
	for _, part := range []string{"Iterator expired. The iterator was created at time ", " UTC 20",
		" while right now it is ", " which is further in the future than the tolerated delay of 300000 milliseconds."} {
		if !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
	r.clock.advance(-24 * time.Hour) // a clock put back must not lock readers in
	_, err = r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
	wantError(t, err, "ExpiredIteratorException", "")
}

func TestIteratorOfDeletedStream(t *testing.T) {
	r := openReader(t)
	it, err := r.iterator(kinesis.GetShardIteratorInput{ShardIteratorType: "LATEST"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // gone, then made again under the same name
		if _, err := r.client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("s")}); err != nil {
			t.Fatal(err)
		}
		_, err = r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
		wantError(t, err, "ResourceNotFoundException", "Shard shardId-000000000000 in stream s under account 000000000000 does not exist")
		if _, err := r.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s")}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
	wantError(t, err, "ResourceNotFoundException", "")
}

func TestShardEnd(t *testing.T) {
	r := openReader(t)
	first := r.put("a")
	stream, _ := r.log.Stream("s")
	it, err := r.iterator(kinesis.GetShardIteratorInput{ShardIteratorType: "TRIM_HORIZON"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.log.SplitShard(t.Context(), stream.Shards[0].ID, shardlog.Hash{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	page := r.read(it)
	for page.NextShardIterator != nil {
		page = r.read(page.NextShardIterator)
	}
	if len(page.ChildShards) != 2 {
		t.Fatalf("%d children", len(page.ChildShards))
	}
	for i, child := range page.ChildShards {
		if *child.ShardId != fmt.Sprintf("shardId-%012d", i+1) || len(child.ParentShards) != 1 ||
			child.ParentShards[0] != "shardId-000000000000" || child.HashKeyRange == nil {
			t.Errorf("child %d: %+v", i, child)
		}
	}
	shards := must[*kinesis.ListShardsOutput](t)(r.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("s")})).Shards
	ending := shards[0].SequenceNumberRange.EndingSequenceNumber
	if len(shards) != 3 || ending == nil || *ending <= first || aws.ToString(shards[1].ParentShardId) != "shardId-000000000000" {
		t.Errorf("shards %+v", shards)
	}
	it, err = r.iterator(kinesis.GetShardIteratorInput{ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: ending})
	if err != nil {
		t.Fatal(err)
	}
	if page := r.read(it); page.NextShardIterator != nil || len(page.Records) != 0 {
		t.Errorf("behind the end: %+v", page)
	}
}
