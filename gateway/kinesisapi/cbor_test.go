package kinesisapi_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"headgate/shardlog/quota"
)

// callCBOR calls an operation as Java's SDKs do.
func (h *house) callCBOR(t testing.TB, op string, in cbor.Map) (int, cbor.Map) {
	t.Helper()
	answer, err := http.DefaultClient.Do(signedAs(t, typeCBOR, h.url, op, cbor.Encode(in)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || len(body) == 0 {
		return answer.StatusCode, nil
	}
	out, err := cbor.Decode(body)
	m, ok := out.(cbor.Map)
	if err != nil || !ok || answer.Header.Get("Content-Type") != typeCBOR {
		t.Fatalf("%s: %x, %v, %v", op, body, err, answer.Header)
	}
	return answer.StatusCode, m
}

// TestCBOREndToEnd goes the way of a Java client: makes a stream, puts records
// both ways, and reads them from a moment on.
func TestCBOREndToEnd(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	call := func(op string, in cbor.Map) cbor.Map {
		t.Helper()
		status, out := h.callCBOR(t, op, in)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", op, status, out)
		}
		return out
	}
	name := cbor.String("s")
	if out := call("CreateStream", cbor.Map{"StreamName": name, "ShardCount": cbor.Uint(1)}); out != nil {
		t.Errorf("%v", out)
	}
	before := h.clock.now()
	record := func(data string) cbor.Map {
		return cbor.Map{"Data": cbor.Slice(data), "PartitionKey": cbor.String("ключ"), "ExplicitHashKey": &cbor.Nil{}}
	}
	one := record("\x00\xff")
	one["StreamName"] = name
	first := call("PutRecord", one)
	fast := cbor.Map{"Data": cbor.Slice("fast"), "PartitionKey": cbor.String("k")}
	for _, records := range []cbor.List{{fast, fast}, {record("slow")}} {
		put := call("PutRecords", cbor.Map{"StreamName": name, "Records": records})
		if put["FailedRecordCount"] != cbor.Uint(0) || len(put["Records"].(cbor.List)) != len(records) {
			t.Errorf("%v", put)
		}
	}
	stamp := &cbor.Tag{ID: 1, Value: cbor.Uint(before.UnixMilli())}
	it := call("GetShardIterator", cbor.Map{"StreamName": name, "ShardId": cbor.String(firstShard), "ShardIteratorType": cbor.String("AT_TIMESTAMP"), "Timestamp": stamp})
	got := call("GetRecords", cbor.Map{"ShardIterator": it["ShardIterator"], "Limit": cbor.Uint(100)})
	records := got["Records"].(cbor.List)
	if len(records) != 4 {
		t.Fatalf("%v", got)
	}
	for i, want := range []string{"\x00\xff", "fast", "fast", "slow"} {
		r := records[i].(cbor.Map)
		at, ok := r["ApproximateArrivalTimestamp"].(*cbor.Tag)
		if string(r["Data"].(cbor.Slice)) != want || !ok || at.ID != 1 {
			t.Errorf("record %d: %v", i, r)
		}
		if ms, ok := at.Value.(cbor.Uint); !ok || time.UnixMilli(int64(ms)).Sub(before).Abs() > time.Minute {
			t.Errorf("record %d came at %v", i, at.Value)
		}
	}
	if records[0].(cbor.Map)["SequenceNumber"] != first["SequenceNumber"] {
		t.Errorf("%v, %v", first, records[0])
	}
	if status, out := h.callCBOR(t, "DescribeStream", cbor.Map{"StreamName": cbor.String("none")}); status != 400 ||
		out["__type"] != cbor.String("ResourceNotFoundException") || out["message"] != cbor.String("Stream none under account "+account+" not found.") {
		t.Errorf("%d %v", status, out)
	}
}
