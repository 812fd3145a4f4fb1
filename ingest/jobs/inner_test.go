package jobs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"status":"SUCCEEDED","expectedVersion":"3","statusDetails":{"a":"b"},"stepTimeoutInMinutes":5,"clientToken":"t"}`,
		`{"executionNumber":1,"includeJobDocument":false}`, `[`, `null`, `{"expectedVersion":-1}`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, fault := decodeRequest(payload)
		if len(r.ClientToken) > maxToken {
			t.Fatal("a long token")
		}
		if fault != nil {
			var a answer
			if err := json.Unmarshal(fault.answer(r.ClientToken, time.Unix(1, 0)), &a); err != nil || a.Code != fault.code || a.ClientToken != r.ClientToken {
				t.Fatalf("the refusal is %+v, %v", a, err)
			}
			return
		}
		if len(payload) > 0 && !json.Valid(payload) {
			t.Fatal("no JSON, and taken")
		}
		e := queue("j", "t", time.Unix(1, 0))
		if fault := e.take(r.report(r.Status), time.Minute, time.Unix(2, 0)); fault == nil && (e.Version != 2 || !r.Status.reported()) {
			t.Fatalf("taken as %+v", e)
		}
		if _, err := parseExecution("t/j", text(e)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzBlockRequest(f *testing.F) {
	f.Add(false, []byte(`{"c":"1","s":1,"l":256,"f":0,"o":20,"n":32,"b":"0x130080"}`))
	f.Add(false, []byte(`{"l":131072,"f":0,"n":-1}`))
	f.Add(true, []byte("\xa6\x61c\x63rdy\x61f\x00\x61l\x19\x10\x00\x61o\x00\x61b\x44MQ==\x61n\x01"))
	f.Add(true, []byte("\xbf\x61f\x20\x61x\x9f\x01\xf6\xff\xff"))
	f.Add(true, []byte("\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x61f"))
	f.Fuzz(func(t *testing.T, cbor bool, payload []byte) {
		kind := formatJSON
		if cbor {
			kind = formatCBOR
		}
		before := bytes.Clone(payload)
		r, fault := decodeBlockRequest(kind, payload)
		if fault != nil || r.check() != nil {
			return
		}
		const size = 1 << 20
		last, bytes := int64(-1), int64(0)
		for i := range r.blocks(size) {
			if i <= last || i*r.size >= size {
				t.Fatalf("block %d of %d bytes after %d", i, r.size, last)
			}
			last, bytes = i, bytes+r.size
		}
		if bytes > maxBlocks || r.count != nil && *r.count > 0 && bytes > *r.count*r.size {
			t.Fatalf("%d bytes", bytes)
		}
		if !slices.Equal(before, payload) {
			t.Fatal("the payload was changed")
		}
	})
}

func FuzzTopic(f *testing.F) {
	for _, seed := range []string{"$aws/things/t/jobs/get", "$aws/things/t/jobs/j/update", "$aws/things/t/streams/s/get/cbor", "$aws/things//jobs/", "$aws/things/t/jobs/notify"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		topic, ok := parseTopic(name)
		if !ok || topic.operation == opNone {
			return
		}
		if !validThing(topic.thing) || !strings.HasPrefix(name, thingsPrefix+topic.thing+"/"+topic.area+"/") || strings.Contains(topic.id, "/") {
			t.Fatalf("%+v", topic)
		}
	})
}

// What is written in CBOR is what is read.
func TestCBOR(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 70000)
	b := formatCBOR.encode([]field{{"c", "token"}, {"f", int64(23)}, {"l", int64(70000)}, {"o", int64(1) << 40}, {"p", long}, {"r", [][]field{{{"f", int64(0)}, {"z", int64(300)}}}}})
	all, ok := readCBORMap(b)
	if !ok || all["c"] != "token" || all["f"] != int64(23) || all["l"] != int64(70000) || all["o"] != int64(1)<<40 || !bytes.Equal(all["p"].([]byte), long) || all["r"] != any(other{}) {
		t.Errorf("%v %.100v", ok, all)
	}
	for _, bad := range []string{"", "\xa1", "\xa1\x61a", "\xa1\x00\x00", "\xa0\x00", "\xbf", "\xa1\x61a\x7a\xff\xff\xff\xff", strings.Repeat("\x81", 100), "\xa1\x61a" + strings.Repeat("\x81", 100) + "\x00", "\x9f\xff", "\xa1\x61a\xfc"} {
		if all, ok := readCBORMap([]byte(bad)); ok {
			t.Errorf("%q is read as %v", bad, all)
		}
	}
}
