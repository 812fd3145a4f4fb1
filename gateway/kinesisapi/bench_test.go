package kinesisapi_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/cbor"

	"headgate/gateway/awsapi"
	"headgate/gateway/kinesisapi"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
)

// noLog takes every record and stores none: what remains is this room's share.
type noLog struct{ *shardlogtest.Memory }

func (noLog) Put(_ context.Context, _ shardlog.StreamName, entries []shardlog.Entry, _ ...shardlog.Mutation) ([]shardlog.Result, error) {
	results := make([]shardlog.Result, len(entries))
	for i := range results {
		results[i].Shard.Number = uint32(i % 4)
		results[i].Number = shardlog.SequenceNumber{Created: 1_700_000_000, Shard: uint32(i % 4), Index: shardlog.Seq(i), Stamp: 1_700_000_100}
	}
	return results, nil
}

func putRecordsBody(records, size int) []byte {
	data := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x5a}, size))
	var b strings.Builder
	b.WriteString(`{"Records":[`)
	for i := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Data":"%s","PartitionKey":"device-%06d"}`, data, i)
	}
	b.WriteString(`],"StreamName":"telemetry"}`)
	return []byte(b.String())
}

const (
	typeJSON = "application/x-amz-json-1.1"
	typeCBOR = "application/x-amz-cbor-1.1"
)

func putRecordsCBOR(records, size int) []byte {
	list := cbor.List{}
	for i := range records {
		list = append(list, cbor.Map{"Data": cbor.Slice(bytes.Repeat([]byte{0x5a}, size)), "PartitionKey": cbor.String(fmt.Sprintf("device-%06d", i))})
	}
	return cbor.Encode(cbor.Map{"StreamName": cbor.String("telemetry"), "Records": list})
}

// signedRequest is a request as a client sends it.
func signedRequest(t testing.TB, url, op string, body []byte) *http.Request {
	t.Helper()
	return signedAs(t, typeJSON, url, op, body)
}

func signedAs(t testing.TB, content, url, op string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
	r.Header.Set("Content-Type", content)
	sum := sha256.Sum256(body)
	who := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(sum[:]), "kinesis", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

// BenchmarkPutRecords is the whole way of 500 records of 200 bytes over
// loopback, HTTP/1.1, signature, JSON and base64 or CBOR included, in CPU time
// of the process: the client, which sends the same bytes again and again, as well.
func BenchmarkPutRecords(b *testing.B) {
	b.Run("JSON", func(b *testing.B) { benchPutRecords(b, typeJSON, putRecordsBody(500, 200)) })
	b.Run("CBOR", func(b *testing.B) { benchPutRecords(b, typeCBOR, putRecordsCBOR(500, 200)) })
}

func benchPutRecords(b *testing.B, content string, body []byte) {
	memory := shardlogtest.NewMemory()
	if err := memory.CreateStream(b.Context(), shardlog.StreamSpec{Name: "telemetry"}); err != nil {
		b.Fatal(err)
	}
	api, err := kinesisapi.New(kinesisapi.Config{Writer: noLog{memory}, Reader: memory, Catalog: memory, Control: memory, States: memory,
		Limits: quota.Limits{Off: true}})
	if err != nil {
		b.Fatal(err)
	}
	door, err := awsapi.New(awsapi.Config{Services: []awsapi.Service{api.Service()}, Keys: keys{keyID: secret}})
	if err != nil {
		b.Fatal(err)
	}
	url := serve(b, door)
	var wire bytes.Buffer
	if err := signedAs(b, content, url, "PutRecords", body).Write(&wire); err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReaderSize(conn, 128<<10)
	before := cpu(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(wire.Bytes()); err != nil {
			b.Fatal(err)
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			b.Fatal(answer.Status, err)
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N*500), "cpu-ns/record")
}

// cpu is the CPU time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkGetRecords reads 10,000 records of 200 bytes in one answer.
func BenchmarkGetRecords(b *testing.B) {
	h := open(b, quota.Limits{Off: true})
	if err := h.log.CreateStream(b.Context(), shardlog.StreamSpec{Name: "s", Shards: 1}); err != nil {
		b.Fatal(err)
	}
	entries := make([]shardlog.Entry, shardlog.MaxReadRecords)
	for i := range entries {
		entries[i] = shardlog.Entry{Key: fmt.Sprintf("device-%06d", i), Data: bytes.Repeat([]byte{0x5a}, 200)}
	}
	if _, err := h.log.Put(b.Context(), "s", entries); err != nil {
		b.Fatal(err)
	}
	it := horizonOf(b, h)
	b.Run("JSON", func(b *testing.B) { benchGetRecords(b, h, typeJSON, []byte(`{"ShardIterator":"`+it+`"}`)) })
	b.Run("CBOR", func(b *testing.B) {
		benchGetRecords(b, h, typeCBOR, cbor.Encode(cbor.Map{"ShardIterator": cbor.String(it)}))
	})
}

func benchGetRecords(b *testing.B, h *house, content string, body []byte) {
	before := cpu(b)
	b.ReportAllocs()
	for b.Loop() {
		answer, err := http.DefaultClient.Do(signedAs(b, content, h.url, "GetRecords", body))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			b.Fatal(answer.Status, err)
		}
		answer.Body.Close()
	}
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N*shardlog.MaxReadRecords), "cpu-ns/record")
}

func horizonOf(t testing.TB, h *house) string {
	t.Helper()
	answer, err := http.DefaultClient.Do(signedRequest(t, h.url, "GetShardIterator",
		[]byte(`{"StreamName":"s","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	return strings.Split(string(text), `"`)[3]
}
