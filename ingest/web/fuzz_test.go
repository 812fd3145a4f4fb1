package web_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"testing"

	"headgate/ingest"
	"headgate/ingest/web"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

func TestMeta(t *testing.T) {
	for _, m := range []web.Meta{
		{},
		{Line: true},
		{Topic: "a/b", Client: "plc", ContentType: "text/plain", Site: "shop", Address: netip.MustParseAddr("2001:db8::1"), Origin: "null", Agent: "ä", Referrer: "x"},
	} {
		got, err := web.DecodeMeta(m.Append(nil))
		if err != nil || got != m {
			t.Errorf("%+v: %+v, %v", m, got, err)
		}
	}
	// As FORMAT.md has it.
	if got := (web.Meta{Topic: "a", Address: netip.MustParseAddr("192.0.2.1"), Line: true}).Append(nil); string(got) != "W\x01\x01a\x05\x04\xc0\x00\x02\x01\x09\x01\x01" {
		t.Errorf("%q", got)
	}
	if m, err := web.DecodeMeta([]byte("W\xc8\x03new\x04\x04shop")); err != nil || m.Site != "shop" {
		t.Errorf("a field of a later version: %+v, %v", m, err)
	}
	for _, b := range []string{"", "X", "W\x01", "W\x01\x02a", "W\x05\x03abc", "W\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if _, err := web.DecodeMeta([]byte(b)); err == nil || shardlog.KindOf(err) != shardlog.Corrupt {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(web.Meta{Topic: "a/b", Site: "shop", Address: netip.MustParseAddr("::1"), Line: true}.Append(nil))
	f.Add([]byte("W\x05\x04abcd\xff\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := web.DecodeMeta(b)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Corrupt {
				t.Error(err)
			}
			return
		}
		again, err := web.DecodeMeta(m.Append(nil))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}

// FuzzRequest hands anything to the door: it never answers 500, and what it
// acknowledges is what the log has.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/streams/clicks/records", "key=x&format=ndjson&k="+shopKey, "text/plain", "", shop, []byte("1\n\r\n2"))
	f.Add("POST", "/topics/pump%2F1//x", "qos=1&k="+pumpKey, "", "", "", []byte(""))
	f.Add("POST", "/streams/%zz/records", "k=%zz", "multipart/form-data", "gzip", "null", []byte("\x1f\x8b\x08"))
	f.Add("OPTIONS", "/topics/+", "k="+shopKey, "", "", shop, []byte{})
	f.Add("POST", "/streams/clicks/records", "key=x&k="+shopKey, "application/x-ndjson", "gzip", "", []byte(packed(f, "1\n2\n")))
	routes, err := ingest.NewRoutes([]ingest.Route{{Filter: "pump/#", Stream: "telemetry", Key: "{topic.2}"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, query, content, encoding, origin string, body []byte) {
		log := shardlogtest.NewMemory()
		s, err := web.New(web.Config{Writer: log, Control: log, Routes: routes, Sites: sites(), MaxBody: 4 << 10, MaxRecords: 100})
		if err != nil {
			t.Fatal(err)
		}
		unescaped, _ := url.PathUnescape(path)
		r := &http.Request{
			Method: method, URL: &url.URL{Path: unescaped, RawPath: path, RawQuery: query}, RemoteAddr: "127.0.0.1:1",
			Header: http.Header{"Content-Type": {content}, "Content-Encoding": {encoding}, "Origin": {origin}, "User-Agent": {path}},
			Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: -1,
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var told struct {
			Records []struct{ SequenceNumber string }
		}
		if w.Header().Get("Content-Type") == "application/json" {
			if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil {
				t.Fatal(err)
			}
		}
		var stored []shardlog.Record
		for _, stream := range log.Streams() {
			stored = append(stored, log.Records(stream.Name)...)
		}
		switch {
		case w.Code >= 500:
			t.Fatalf("%d %s", w.Code, w.Body)
		case w.Code >= 400 && len(stored) > 0:
			t.Fatalf("%d %s, and %d records are stored", w.Code, w.Body, len(stored))
		case w.Code == 200 && method == "POST" && len(told.Records) != len(stored):
			t.Fatalf("%s, and %d records are stored", w.Body, len(stored))
		}
		plain := body
		if encoding != "" && len(stored) > 0 && encoding[0] != 'i' && encoding[0] != 'I' {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err == nil {
				plain, _ = io.ReadAll(io.LimitReader(z, 1<<20))
			}
		}
		for _, one := range stored {
			if !bytes.Contains(plain, one.Data) {
				t.Fatalf("stored %q of %q", one.Data, plain)
			}
			if _, err := web.DecodeMeta(one.Meta); err != nil {
				t.Fatal(err)
			}
		}
	})
}
