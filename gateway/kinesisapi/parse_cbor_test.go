package kinesisapi

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"

	"headgate/gateway/awsapi"
)

// agreeCBOR is agree for a body in CBOR.
func agreeCBOR(t *testing.T, body []byte) (usual bool) {
	t.Helper()
	fast, r := new(putRequest), awsapi.NewCBOR(body)
	if !binaryRequest(&r, fast) || !r.Done() || !finish(fast) {
		return false
	}
	in, wrong := awsapi.ReadCBOR(body, putRecordsInput())
	if wrong != nil {
		t.Fatalf("the fast way takes what is %v: %x", wrong, body)
	}
	same(t, fast, readPutRequest(in))
	return true
}

func putBodyCBOR(records, size int) []byte {
	list := cbor.List{}
	for i := range records {
		list = append(list, cbor.Map{"Data": cbor.Slice(bytes.Repeat([]byte{byte(i)}, size)), "PartitionKey": cbor.String(fmt.Sprintf("device-%06d", i))})
	}
	return cbor.Encode(cbor.Map{"StreamName": cbor.String("telemetry"), "Records": list})
}

func TestFastPutRecordsInCBOR(t *testing.T) {
	const start, name = "\xbf\x67Records", "\x6aStreamName\x61s\xff"
	record := func(rest string) string { return "\xbf\x64Data\x41a\x6cPartitionKey" + rest + "\xff" }
	for _, c := range []struct {
		body  string
		usual bool
	}{
		{start + "\x9f" + record("\x61k") + "\xff" + name, true},
		{start + "\x82" + record("\x61k") + record("\x62\xc3\xa4\x6fExplicitHashKey\x63123") + name, true},
		{"\xa2\x69StreamARN\x78\x2farn:aws:kinesis:us-east-1:000000000000:stream/s\x67Records\x81" + record("\x61k"), true},
		{start + "\x9f" + record("\x61k") + "\xff\xff", false},                 // no stream
		{start + "\x9f" + record("\x7f\x61k\xff") + "\xff" + name, false},      // a key in pieces
		{start + "\x9f" + record("\x60") + "\xff" + name, false},               // no key
		{start + "\x9f" + record("\x61k\x64Data\x41a") + "\xff" + name, false}, // data twice
		{start + "\x9f" + record("\x61k\x6fExplicitHashKey\xf6") + "\xff" + name, false},
		{start + "\x9f\xf6\xff" + name, false},
		{start + "\x80" + name, false},
		{start + "\x9f" + record("\x61k") + "\xff" + name + "\x00", false},
		{start + "\x9f" + strings.Repeat(record("\x61k"), 501) + "\xff" + name, false},
		{"", false}, {"\xa0", false}, {"\xbf", false}, {start, false},
	} {
		if got := agreeCBOR(t, []byte(c.body)); got != c.usual {
			t.Errorf("usual %v, want %v: %.100q", got, c.usual, c.body)
		}
	}
	for _, n := range []int{1, 499, 500} {
		if !agreeCBOR(t, putBodyCBOR(n, 200)) {
			t.Errorf("%d records were not read the fast way", n)
		}
	}
}

func FuzzFastPutRecordsInCBOR(f *testing.F) {
	f.Add(putBodyCBOR(2, 3))
	f.Add([]byte("\xbf\x67Records\x9f\xbf\x64Data\x41a\x6cPartitionKey\x61k\x6fExplicitHashKey\x63123\xff\xff\x6aStreamName\x61s\xff"))
	f.Add([]byte("\xa2\x69StreamARN\x78\x2farn:aws:kinesis:us-east-1:000000000000:stream/s\x67Records\x81\xa2\x64Data\x40\x6cPartitionKey\x62\xc3\xa4"))
	f.Fuzz(func(t *testing.T, body []byte) { agreeCBOR(t, body) })
}

func BenchmarkParseCBOR(b *testing.B) {
	body := putBodyCBOR(500, 200)
	b.Run("fast", func(b *testing.B) {
		p := new(putRequest)
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			p.Reset()
			if r := awsapi.NewCBOR(body); !binaryRequest(&r, p) || !finish(p) {
				b.Fatal("not the usual form")
			}
		}
		perRecord(b, 500)
	})
	b.Run("generic", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			in, err := awsapi.ReadCBOR(body, putRecordsInput())
			if err != nil {
				b.Fatal(err)
			}
			readPutRequest(in)
		}
		perRecord(b, 500)
	})
}
