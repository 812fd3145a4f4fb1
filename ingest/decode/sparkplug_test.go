package decode_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"headgate/ingest/decode"
	"headgate/shardlog"
)

// message is one line of testdata/sparkplug.txt.
type message struct {
	topic   string
	payload []byte
}

// messages are payloads that pysparkplug 0.6.1 made.
func messages(t testing.TB) (all []message) {
	t.Helper()
	b, err := os.ReadFile("testdata/sparkplug.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		topic, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		payload, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, message{topic, payload})
	}
	return all
}

func show(m *decode.Metric) string {
	s := m.Name + "=" + text(m.Value)
	if m.Historical {
		s += " historical"
	}
	return s
}

func TestSparkplug(t *testing.T) {
	want := [][]string{
		{"bdSeq=7", "i8=-5", "i16=-300", "i32=-70000", "i64=-5000000000", "u8=200", "u32=4000000000", "u64=18446744073709551615", "float=21.5",
			"double=0.1", "bool=true", "string=Zürich", "bytes=\x00\xff", "null=-"},
		{"speed=5"},
		{"speed=-6"},
		{"float=22.5 historical"},
		nil,
		{"bdSeq=7"},
		{"Node Control/Rebirth=true"},
	}
	var edges decode.Edges
	for i, m := range messages(t) {
		var got []string
		if err := edges.Observe(m.topic, m.payload, func(m *decode.Metric) { got = append(got, show(m)) }); err != nil {
			t.Fatalf("%s: %v", m.topic, err)
		}
		if !slices.Equal(got, want[i]) {
			t.Errorf("%s: got %q, want %q", m.topic, got, want[i])
		}
		if i == 3 {
			if s := edges.Stats(); s.Edges != 1 || s.Devices != 2 || s.Aliases != 14 {
				t.Errorf("alive: %+v", s)
			}
		}
	}
	if s := edges.Stats(); s != (decode.EdgeStats{Messages: 7, Births: 2, Deaths: 2, Historical: 1}) {
		t.Errorf("at the end: %+v", s)
	}
}

func TestEdges(t *testing.T) {
	all := messages(t)
	nbirth, dbirth, ddata, ndata, ndeath := all[0], all[1], all[2], all[3], all[5]
	otherDeath := message{ndeath.topic, append(slices.Clone(ndeath.payload[:len(ndeath.payload)-1]), 6)}
	for _, c := range []struct {
		name string
		sent []message
		want string // what differs from zero
	}{
		{"a gap", []message{nbirth, ddata}, "Gaps:1 Unborn:1 Unknown:1"},
		{"no birth", []message{ddata, ndata}, "Unborn:2 Unknown:2 Historical:1"},
		{"a late will", []message{nbirth, otherDeath, dbirth}, "Stale:1"},
		{"dead", []message{nbirth, dbirth, ndeath, ddata}, "Unborn:1 Unknown:1"},
		{"born again", []message{nbirth, dbirth, nbirth, ndata}, "Gaps:1 Historical:1"},
		{"no topic", []message{{"spBv1.0/plant/STATE/x", nil}, {"spBv1.0/STATE/host", nil}, {"x/plant/NBIRTH/e", nil}}, "Malformed:3"},
		{"not protobuf", []message{{ndata.topic, []byte("{}")}}, "Malformed:1"},
		{"cut", []message{{nbirth.topic, nbirth.payload[:40]}}, "Malformed:1"},
		{"no seq", []message{{ndata.topic, nil}, {ndata.topic, []byte{0x18, 0x80, 0x02}}}, "Malformed:2"}, // 256 is none
		{"no bdSeq", []message{{nbirth.topic, []byte{0x18, 0x00}}}, "Malformed:1"},
	} {
		var edges decode.Edges
		for _, m := range c.sent {
			if err := edges.Observe(m.topic, m.payload, nil); err != nil && shardlog.KindOf(err) != shardlog.Invalid {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		s := edges.Stats()
		s.Edges, s.Devices, s.Aliases, s.Messages, s.Births, s.Deaths = 0, 0, 0, 0, 0, 0
		var got []string
		for _, f := range strings.Fields(strings.Trim(fmt.Sprintf("%+v", s), "{}")) {
			if !strings.HasSuffix(f, ":0") {
				got = append(got, f)
			}
		}
		want := strings.Fields(c.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
	}
}

func TestSequenceWraps(t *testing.T) {
	var edges decode.Edges
	birth := messages(t)[0]
	if err := edges.Observe(birth.topic, birth.payload, nil); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 600; i++ {
		payload := []byte{0x18, byte(i)}
		if i%256 > 127 {
			payload = []byte{0x18, byte(i) | 0x80, 1}
		}
		if err := edges.Observe("spBv1.0/plant/NDATA/edge1", payload, nil); err != nil {
			t.Fatal(i, err)
		}
	}
	if s := edges.Stats(); s.Gaps != 0 {
		t.Errorf("%+v", s)
	}
}

func TestEdgesAreBounded(t *testing.T) {
	var edges decode.Edges
	for i := range 5000 {
		if err := edges.Observe(fmt.Sprintf("spBv1.0/plant/NBIRTH/e%d", i), messages(t)[0].payload, nil); err != nil {
			t.Fatal(err)
		}
	}
	if s := edges.Stats(); s.Edges != 4096 || s.Dropped != 5000-4096 {
		t.Errorf("%+v", s)
	}
	for i := range 5000 {
		if err := edges.Observe(fmt.Sprintf("spBv1.0/plant/NDEATH/e%d", i), messages(t)[5].payload, nil); err != nil {
			t.Fatal(err)
		}
	}
	if s := edges.Stats(); s.Edges != 0 || s.Devices != 0 || s.Aliases != 0 {
		t.Errorf("%+v", s)
	}
}

func FuzzSparkplug(f *testing.F) {
	for _, m := range messages(f) {
		f.Add(m.topic, m.payload, []byte{0x18, 0x01})
	}
	f.Fuzz(func(t *testing.T, topic string, one, two []byte) {
		var edges decode.Edges
		for _, b := range [][]byte{one, two, one} {
			_ = edges.Observe(topic, b, func(m *decode.Metric) { show(m) })
			if s := edges.Stats(); s.Edges < 0 || s.Aliases < 0 || s.Devices < s.Edges {
				t.Errorf("%+v", s)
			}
		}
	})
}

func BenchmarkEdges(b *testing.B) {
	var edges decode.Edges
	all := messages(b)
	_ = edges.Observe(all[0].topic, all[0].payload, nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = edges.Observe(all[3].topic, all[3].payload, nil)
	}
}
