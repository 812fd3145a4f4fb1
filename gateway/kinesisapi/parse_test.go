package kinesisapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/gateway/awsapi"
	"headgate/shardlog/shardlogtest"
)

// both reads a body in both ways. ok is what the fast way said.
func both(t *testing.T, body []byte) (fast, slow *putRequest, ok bool, wrong *awsapi.Error) {
	t.Helper()
	before := bytes.Clone(body)
	c := &awsapi.Call{Body: body}
	ok = fastPutRecords(c)
	if !bytes.Equal(body, before) {
		t.Fatal("the fast way changed the body")
	}
	in, wrong := awsapi.Read(body, putRecordsInput())
	if wrong == nil {
		slow = readPutRequest(in)
	}
	fast, _ = c.Parsed.(*putRequest)
	return fast, slow, ok, wrong
}

// agree fails unless the fast way either gave up or read what the generic way reads.
func agree(t *testing.T, body []byte) (usual bool) {
	t.Helper()
	fast, slow, ok, wrong := both(t, body)
	if !ok {
		return false
	}
	if wrong != nil {
		t.Fatalf("the fast way takes what is %v: %q", wrong, body)
	}
	same(t, fast, slow)
	return true
}

// same fails unless both are the same request.
func same(t *testing.T, fast, slow *putRequest) {
	t.Helper()
	if fast.stream != slow.stream || fast.arn != slow.arn || fast.dryRun != slow.dryRun || len(fast.entries) != len(slow.entries) {
		t.Fatalf("fast %+v\nslow %+v", fast, slow)
	}
	for i := range fast.entries {
		f, s := fast.entries[i], slow.entries[i]
		hash, err := explicitHash(slow.hashes[i])
		if err != nil || f.Key != s.Key || !bytes.Equal(f.Data, s.Data) || (f.Hash == nil) != (hash == nil) ||
			f.Hash != nil && *f.Hash != *hash {
			t.Fatalf("entry %d: fast %+v, slow %+v %v %v", i, f, s, slow.hashes[i], err)
		}
	}
}

func TestFastPutRecords(t *testing.T) {
	const tail = `,"StreamName":"s"}`
	for _, c := range []struct {
		body  string
		usual bool
	}{
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k"}]` + tail, true},
		{` { "StreamName" : "s" , "Records" : [ { "PartitionKey" : "ключ" , "Data" : "" } ] } `, true},
		{`{"Records":[{"Data":"YWI=","PartitionKey":"k","ExplicitHashKey":"340282366920938463463374607431768211455"},{"Data":"YWJj","PartitionKey":"l"}]` + tail, true},
		{`{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","Records":[{"Data":"YQ==","PartitionKey":"k"}]}`, true},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k"}]}`, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"\u006b"}]` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k` + "\n" + `"}]` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k` + "\xff" + `"}]` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":""}]` + tail, false},
		{`{"Records":[{"Data":"YR==","PartitionKey":"k"}]` + tail, false},
		{`{"Records":[{"Data":"YQ=","PartitionKey":"k"}]` + tail, false},
		{`{"Records":[{"Data":"YWJj` + "\n\n\n\n" + `","PartitionKey":"k"}]` + tail, false},
		{`{"Records":[{"Data":"====","PartitionKey":"k"}]` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k","ExplicitHashKey":"340282366920938463463374607431768211456"}]` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k","ExplicitHashKey":"01"}]` + tail, false},
		{`{"Records":[{"Data":"YQ==","Data":"YQ==","PartitionKey":"k"}]` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k"},]` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k",}]` + tail, false},
		{`{"Records":[{"Data":"YQ==" "PartitionKey":"k"}]` + tail, false},
		{`{"Records":[{"Data":"YQ=="}]` + tail, false},
		{`{"Records":[]` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k"}],"DryRun":true` + tail, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k"}]` + tail + `x`, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k"}],"StreamName":""}`, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k"}],"StreamName":"no blanks"}`, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"k"}],"StreamName":"` + strings.Repeat("s", 129) + `"}`, false},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"` + strings.Repeat("ü", 256) + `"}]` + tail, true},
		{`{"Records":[{"Data":"YQ==","PartitionKey":"` + strings.Repeat("ü", 257) + `"}]` + tail, false},
		{`{"Records":[` + strings.Repeat(`{"Data":"YQ==","PartitionKey":"k"},`, 500) + `{"Data":"YQ==","PartitionKey":"k"}]` + tail, false},
		{``, false}, {`{`, false}, {`[]`, false}, {`{}`, false}, {`null`, false}, {`{"Records":[{"Data":"`, false},
	} {
		if got := agree(t, []byte(c.body)); got != c.usual {
			t.Errorf("usual %v, want %v: %.200s", got, c.usual, c.body)
		}
	}
}

// What SDKs send is of the usual form.
func TestFastPutRecordsTakesEncodedJSON(t *testing.T) {
	for _, n := range []int{1, 2, 499, 500} {
		if !agree(t, putBody(n, 200)) {
			t.Errorf("%d records were not read the fast way", n)
		}
	}
}

func putBody(records, size int) []byte {
	type record struct {
		Data         []byte
		PartitionKey string
	}
	body := struct {
		Records    []record
		StreamName string
	}{StreamName: "telemetry"}
	for i := range records {
		body.Records = append(body.Records, record{bytes.Repeat([]byte{byte(i)}, size), fmt.Sprintf("device-%06d", i)})
	}
	text, _ := json.Marshal(body)
	return text
}

func FuzzFastPutRecords(f *testing.F) {
	f.Add([]byte(`{"Records":[{"Data":"YQ==","PartitionKey":"k","ExplicitHashKey":"5"}],"StreamName":"s"}`))
	f.Add([]byte(`{ "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "Records": [ {"PartitionKey":"ü","Data":""} ] }`))
	f.Add([]byte(`{"Records":[{"Data":"YWJjZGVmZ2g=","PartitionKey":"k"},{"Data":"YQ==","PartitionKey":"\u00fc"}],"StreamName":"s"}`))
	f.Fuzz(func(t *testing.T, body []byte) { agree(t, body) })
}

func FuzzOpenToken(f *testing.F) {
	a := tokens{states: shardlogtest.NewMemory(), life: tokenLife, now: time.Now}
	token, err := a.seal(f.Context(), iteratorPurpose, []byte("sixteen bytes ok"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(base64.StdEncoding.EncodeToString(make([]byte, 60)))
	f.Fuzz(func(t *testing.T, text string) {
		content, _, err := a.open(t.Context(), iteratorPurpose, text)
		if err == nil && text != token {
			t.Errorf("opened a token never made: %q holds %q", text, content)
		}
		if _, _, err := a.open(t.Context(), shardsPurpose, text); err == nil {
			t.Errorf("opened a token for another purpose: %q", text)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	body := putBody(500, 200)
	b.Run("fast", func(b *testing.B) {
		c := &awsapi.Call{Body: body}
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if !fastPutRecords(c) {
				b.Fatal("not the usual form")
			}
		}
		perRecord(b, 500)
	})
	b.Run("generic", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			in, err := awsapi.Read(body, putRecordsInput())
			if err != nil {
				b.Fatal(err)
			}
			readPutRequest(in)
		}
		perRecord(b, 500)
	})
}

func perRecord(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
}
