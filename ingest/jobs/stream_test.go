package jobs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"headgate/ingest/jobs"
	"headgate/shardlog"
	"headgate/shardlog/quota"
)

// block is a data message as a device reads it.
type block struct {
	C string
	F int
	L int
	I int
	P []byte
}

// blocks asks for some and answers them.
func (g *gateway) blocks(thing, stream, format, request string) (all []block) {
	g.t.Helper()
	for _, m := range g.ask(thing, "streams/"+stream+"/get/"+format, request) {
		if m.topic != "$aws/things/"+thing+"/streams/"+stream+"/data/"+format || m.client != thing {
			g.t.Fatalf("%s: %s", m.topic, m.payload)
		}
		b := block{}
		if format == "cbor" {
			b = blockOf(g.t, m.payload)
		} else if err := json.Unmarshal(m.payload, &b); err != nil {
			g.t.Fatal(err)
		}
		if b.L != len(b.P) {
			g.t.Errorf("block %d says it has %d bytes, it has %d", b.I, b.L, len(b.P))
		}
		all = append(all, b)
	}
	return all
}

// blockOf reads a map of CBOR as a small device does: text keys, short heads.
func blockOf(t *testing.T, b []byte) (out block) {
	t.Helper()
	number := func() (kind byte, n int) {
		kind, n, b = b[0]>>5, int(b[0]&31), b[1:]
		if n >= 24 {
			size := 1 << (n - 24)
			n = 0
			for _, digit := range b[:size] {
				n = n<<8 | int(digit)
			}
			b = b[size:]
		}
		return kind, n
	}
	take := func(want byte) []byte {
		kind, n := number()
		if kind != want {
			t.Fatalf("kind %d, want %d", kind, want)
		}
		part := b[:n]
		b = b[n:]
		return part
	}
	kind, pairs := number()
	if kind != 5 {
		t.Fatal("it is no map")
	}
	for range pairs {
		switch key := string(take(3)); key {
		case "c":
			out.C = string(take(3))
		case "p":
			out.P = take(2)
		case "f":
			_, out.F = number()
		case "l":
			_, out.L = number()
		case "i":
			_, out.I = number()
		default:
			t.Fatalf("field %q", key)
		}
	}
	if len(b) > 0 {
		t.Fatal("there is more behind the map")
	}
	return out
}

// cborRequest is {"c":"rdy","f":0,"l":l,"o":o,"b":bitmap,"n":n}, as embedded clients write it.
func cborRequest(l, o, n int, bitmap string) string {
	u := func(n int) string { return string([]byte{0x1a, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) }
	request := "\x61c\x63rdy" + "\x61f\x00" + "\x61l" + u(l) + "\x61o" + u(o)
	if bitmap != "" {
		return "\xa6" + request + "\x61b" + string([]byte{0x40 | byte(len(bitmap))}) + bitmap + "\x61n" + u(n)
	}
	return "\xa5" + request + "\x61n" + u(n)
}

func TestFileComesInBlocks(t *testing.T) {
	s := newSite(t)
	s.Quota = &quota.Limits{RecordsIn: 1000, BytesIn: 200 << 10, ReadsOut: 5, BytesOut: 2 << 20} // smaller than the file: it waits
	g := s.gateway(t)
	const size = 300<<10 + 77
	image, hash := file(size)
	if _, err := g.PutFile(t.Context(), hash, bytes.NewReader(image)); err != nil {
		t.Fatal(err)
	}
	g.make(jobs.Order{Name: "update", Things: []string{"press"}, File: hash, Description: "firmware 7"})
	var document struct {
		Stream string `json:"streamname"`
		Files  []struct {
			ID     int    `json:"fileid"`
			Size   int    `json:"filesize"`
			SHA256 string `json:"sha256"`
		}
	}
	d, err := g.Describe(t.Context(), "update")
	if err != nil || json.Unmarshal(d.Document, &document) != nil || document.Stream != "update" || document.Files[0].SHA256 != hash || document.Files[0].Size != size {
		t.Errorf("the document is %s, %v", d.Document, err)
	}
	about := g.ask("press", "streams/update/describe/json", `{"c":"x"}`)
	if want := fmt.Sprintf(`{"c":"x","s":1,"d":"firmware 7","r":[{"f":0,"z":%d}]}`, size); string(about[0].payload) != want || !strings.HasSuffix(about[0].topic, "/streams/update/description/json") {
		t.Errorf("%s: %s, want %s", about[0].topic, about[0].payload, want)
	}
	stored := len(s.stored(t))
	for _, format := range []string{"json", "cbor"} {
		for _, l := range []int{256, 4096, 100_000, 131072} {
			got, requests := download(g, format, size, l)
			if sum := sha256.Sum256(got); hex.EncodeToString(sum[:]) != hash {
				t.Errorf("%s, blocks of %d: %d bytes have another hash", format, l, len(got))
			}
			t.Logf("%s, blocks of %d: %d requests, %d chunks read in all", format, l, requests, g.Stats().Reads)
		}
	}
	if len(s.stored(t)) != stored {
		t.Error("blocks were stored")
	}
	if reads := g.Stats().Reads; reads != 5 {
		t.Errorf("%d chunks were read for 8 downloads of 5 chunks", reads)
	}
}

// download gets a file as a device does: so many blocks with each request.
func download(g *gateway, format string, size, l int) (got []byte, requests int) {
	got = make([]byte, size)
	for next := 0; next*l < size; requests++ {
		request := fmt.Sprintf(`{"s":1,"f":0,"l":%d,"o":%d,"n":100,"c":"rdy"}`, l, next)
		if format == "cbor" {
			request = cborRequest(l, next, 100, "")
		}
		all := g.blocks("press", "update", format, request)
		bytes := 0
		for _, b := range all {
			if b.C != "rdy" || b.I != next || b.F != 0 {
				g.t.Fatalf("block %+v, want %d", b, next)
			}
			copy(got[next*l:], b.P)
			bytes += len(b.P)
			next++
		}
		if bytes > 128<<10 || len(all) == 0 || len(all) > 100 {
			g.t.Fatalf("%d blocks with %d bytes", len(all), bytes)
		}
	}
	return got, requests
}

func TestBitmap(t *testing.T) {
	g := newSite(t).gateway(t)
	image, hash := file(256 * 50)
	if _, err := g.PutFile(t.Context(), hash, bytes.NewReader(image)); err != nil {
		t.Fatal(err)
	}
	g.make(jobs.Order{Name: "update", Things: []string{"press"}, File: hash})
	for _, c := range []struct {
		format, request string
		want            []int
	}{
		{"json", `{"c":"1","s":1,"l":256,"f":0,"o":20,"n":32,"b":"0x130080"}`, []int{20, 21, 24, 43}}, // AWS's own example
		{"json", `{"l":256,"f":0,"o":20,"b":"130080"}`, []int{20, 21, 24, 43}},
		{"json", `{"l":256,"f":0,"o":20,"n":2,"b":"130080"}`, []int{20, 21}},
		{"json", `{"l":256,"f":0,"o":48,"n":32,"b":"ff"}`, []int{48, 49}},
		{"json", `{"l":256,"f":0,"o":48}`, []int{48, 49}},
		{"json", `{"l":256,"f":0,"n":0,"o":49}`, []int{49}},
		{"cbor", cborRequest(256, 20, 32, "\x13\x00\x80"), []int{20, 21, 24, 43}},
		{"cbor", cborRequest(256, 7, 1, "MQ=="), []int{7}},
	} {
		var got []int
		for _, b := range g.blocks("press", "update", c.format, c.request) {
			got = append(got, b.I)
			if !bytes.Equal(b.P, image[b.I*256:(b.I+1)*256]) {
				t.Errorf("%s: block %d has other bytes", c.request, b.I)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.request, got, c.want)
		}
	}
}

func TestStreamRefusals(t *testing.T) {
	g := newSite(t).gateway(t)
	image, hash := file(1000)
	if _, err := g.PutFile(t.Context(), hash, bytes.NewReader(image)); err != nil {
		t.Fatal(err)
	}
	g.make(jobs.Order{Name: "update", Things: []string{"press", "done"}, File: hash})
	g.make(jobs.Order{Name: "bare", Things: []string{"press"}})
	g.ask("done", "jobs/update/update", `{"status":"SUCCEEDED"}`)
	for _, c := range []struct{ thing, what, payload, code string }{
		{"press", "update/fetch/json", `{}`, "InvalidTopic"},
		{"press", "update/get/xml", `{}`, "InvalidTopic"},
		{"press", "update/get", `{}`, "InvalidTopic"},
		{"press", "update/get/json", `{`, "InvalidJson"},
		{"press", "update/get/cbor", `{`, "InvalidCbor"},
		{"press", "update/get/cbor", "\xa1\x61f", "InvalidCbor"},
		{"press", "update/get/cbor", "\xa1\x61f\x61x", "InvalidRequest"},
		{"press", "update/get/json", `{"f":"0"}`, "InvalidRequest"},
		{"press", "update/get/json", `{"l":256}`, "InvalidRequest"},
		{"press", "update/get/json", ``, "InvalidRequest"},
		{"press", "update/describe/json", `{"c":"` + strings.Repeat("x", 65) + `"}`, "InvalidRequest"},
		{"press", "update/get/json", `{"f":0,"l":256,"b":"xyz"}`, "InvalidRequest"},
		{"press", "update/get/json", `{"f":0,"l":255}`, "BlockSizeOutOfBounds"},
		{"press", "update/get/json", `{"f":0}`, "BlockSizeOutOfBounds"},
		{"press", "update/get/json", `{"f":0,"l":131073}`, "BlockSizeOutOfBounds"},
		{"press", "update/get/json", `{"f":0,"l":256,"o":98305}`, "OffsetOutOfBounds"},
		{"press", "update/get/json", `{"f":0,"l":256,"o":-1}`, "OffsetOutOfBounds"},
		{"press", "update/get/json", `{"f":0,"l":256,"n":98305}`, "BlockCountLimitExceeded"},
		{"press", "update/get/json", `{"f":0,"l":256,"b":"` + strings.Repeat("00", 12288) + `"}`, "BlockBitmapLimitExceeded"},
		{"press", "update/get/json", `{"f":0,"l":256,"o":4}`, "ResourceNotFound"},
		{"press", "update/get/json", `{"f":0,"l":256,"b":"00"}`, "ResourceNotFound"},
		{"press", "update/get/json", `{"f":1,"l":256}`, "ResourceNotFound"},
		{"press", "none/get/json", `{"f":0,"l":256}`, "ResourceNotFound"},
		{"press", "bare/describe/json", `{}`, "ResourceNotFound"},
		{"press", "update/get/json", `{"f":0,"l":256,"s":2}`, "VersionMismatch"},
		{"lathe", "update/get/json", `{"f":0,"l":256}`, "Unauthorized"},
		{"done", "update/get/json", `{"f":0,"l":256}`, "Unauthorized"},
	} {
		all := g.ask(c.thing, "streams/"+c.what, c.payload)
		id, _, _ := strings.Cut(c.what, "/")
		if len(all) != 1 || !strings.HasPrefix(all[0].topic, "$aws/things/"+c.thing+"/streams/"+id+"/rejected/") {
			t.Errorf("%s %.60s: %s", c.what, c.payload, all[0].topic)
			continue
		}
		if strings.HasSuffix(all[0].topic, "cbor") {
			if !bytes.Contains(all[0].payload, []byte("\x61o"+string([]byte{0x60 | byte(len(c.code))})+c.code)) {
				t.Errorf("%s %.60q: %q, want %s", c.what, c.payload, all[0].payload, c.code)
			}
			continue
		}
		var got struct{ O, M string }
		if err := json.Unmarshal(all[0].payload, &got); err != nil || got.O != c.code || got.M == "" {
			t.Errorf("%s %.60s: %s, want %s", c.what, c.payload, all[0].payload, c.code)
		}
	}
}

func TestFilesThatAreNotTaken(t *testing.T) {
	g := newSite(t).gateway(t)
	image, hash := file(70000)
	for name, c := range map[string]struct {
		hash string
		body []byte
	}{
		"another file": {hash, image[:69999]},
		"no bytes":     {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", nil},
		"no hash":      {base64.StdEncoding.EncodeToString([]byte(hash)), image},
		"capital hash": {strings.ToUpper(hash), image},
		"too many":     {hash, make([]byte, jobs.MaxFile+1)},
	} {
		if _, err := g.PutFile(t.Context(), c.hash, bytes.NewReader(c.body)); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := g.Create(t.Context(), jobs.Order{Name: "job", Things: []string{"press"}, File: hash}); shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("a job with half a file: %v", err)
	}
	if f, err := g.PutFile(t.Context(), hash, bytes.NewReader(image)); err != nil || f.Size != 70000 {
		t.Errorf("the right file then: %+v, %v", f, err)
	}
}
