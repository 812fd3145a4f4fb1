package ingest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"headgate/ingest"
)

// compile makes a table that must be well formed.
func compile(t testing.TB, table ingest.Table) *ingest.Routes {
	t.Helper()
	r, err := table.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTemplates(t *testing.T) {
	from := ingest.Source{
		Topic: "Plant/line 1//x", ClientID: "Dev", Username: "Bob", QoS: 1,
		Payload: []byte(`{"site":{"name":"Nord","id":7},"list":[{"k":true}],"e":"","n":null}`),
		User:    []ingest.Property{{Name: "unit", Value: "A"}, {Name: "a.b", Value: "dotted"}, {Name: "unit", Value: "second"}},
	}
	sum := sha256.Sum256([]byte("Nord"))
	digits := hex.EncodeToString(sum[:])
	for _, c := range []struct{ key, want string }{ // an empty want: the client id, counted
		{"", "Dev"},
		{"{clientid}", "Dev"},
		{"{username}", "Bob"},
		{"{topic}", "Plant/line 1//x"},
		{"{topic.1}", "Plant"},
		{"{topic.3}", ""},
		{"{topic.3|default:none}", "none"},
		{"{topic.4}", "x"},
		{"{topic.5}", ""},
		{"{topic.1-}", "Plant/line 1//x"},
		{"{topic.2-}", "line 1//x"},
		{"{topic.4-}", "x"},
		{"{topic.5-}", ""},
		{"{topic.5-|default:top}", "top"},
		{"{qos}", "1"},
		{"{user.unit}", "A"},
		{"{user.a.b}", "dotted"},
		{"{user.none}", ""},
		{"{user.none|default:x|lower}", "x"},
		{"{json.site.name}", "Nord"},
		{"{json.site.id}", "7"},
		{"{json.list.0.k}", "true"},
		{"{json.list.1.k}", ""},
		{"{json.site}", ""}, // an object is no text
		{"{json.n}", ""},
		{"{json.e}", ""},
		{"{json.e|default:empty}", "empty"},
		{"{json.site.name|lower}", "nord"},
		{"{json.site.name|hash:16}", digits[:16]},
		{"{json.site.name|hash:64|default:x}", digits},
		{"{json.none|hash:16}", ""},
		{"{json.none|hash:16|default:x}", "x"},
		{"{topic.1}-{json.site.id}/{clientid|lower}", "Plant-7/dev"},
		{"{topic.1}-{json.none}", ""},
		{"a{topic.3}b", "ab"},
		{"{sparkplug.group}", ""},
		{"all", "all"},
	} {
		r := compile(t, ingest.Table{Routes: []ingest.Route{{Filter: "#", Key: c.key}}})
		got, err := r.Find(from)
		want, unkeyed := c.want, uint64(0)
		if want == "" {
			want, unkeyed = "Dev", 1
		}
		if err != nil || got.Key != want || r.Stats().Unkeyed != unkeyed {
			t.Errorf("%s: got %q, %v, counted %d, want %q", c.key, got.Key, err, r.Stats().Unkeyed, want)
		}
	}
}

func TestSparkplugFields(t *testing.T) {
	r := compile(t, ingest.Table{Routes: []ingest.Route{{
		Filter: "#", Key: "{sparkplug.group}/{sparkplug.edge}/{sparkplug.device|default:node}/{sparkplug.type|lower}",
	}}})
	for topic, want := range map[string]string{
		"spBv1.0/plant/NDATA/edge":      "plant/edge/node/ndata",
		"spBv1.0/plant/DDATA/edge/pump": "plant/edge/pump/ddata",
		"spBv1.0/plant/NDATA/edge/pump": "dev", // NDATA has no device
		"spBv1.0/plant/DDATA/edge":      "dev",
		"spBv1.0/plant/XDATA/edge":      "dev",
		"spBv1.0/STATE/host":            "dev",
		"spAv1.0/plant/NDATA/edge":      "dev",
		"spBv1.0//NDATA/edge":           "dev",
	} {
		if got, err := r.Find(ingest.Source{Topic: topic, ClientID: "dev"}); err != nil || got.Key != want {
			t.Errorf("%s: got %q, %v, want %q", topic, got.Key, err, want)
		}
	}
}

func TestMalformedPayloadsAreCounted(t *testing.T) {
	for _, c := range []struct {
		route   ingest.Route
		payload string
		format  ingest.Decode
		bad     uint64
	}{
		{ingest.Route{Key: "{json.a}"}, `{"a":1}`, "json", 0},
		{ingest.Route{Key: "{json.a}"}, `{"a":1,`, "json", 0}, // it is not read to its end
		{ingest.Route{Key: "{json.a}", Decode: "json"}, `{"a":1,`, "json", 1},
		{ingest.Route{Key: "{json.a|default:x}"}, "\x00", "json", 1},
		{ingest.Route{Key: "{json.a}{json.b}", Decode: "json"}, "nonsense", "json", 1}, // once
		{ingest.Route{Key: "{cbor.a}"}, "\xa1aaab", "cbor", 0},
		{ingest.Route{Key: "{cbor.a}"}, "\xa1aa", "cbor", 1},
		{ingest.Route{Decode: "cbor"}, "\xa1", "cbor", 1},
		{ingest.Route{Decode: "sparkplug"}, "\x18\x01", "sparkplug", 0},
		{ingest.Route{Decode: "sparkplug"}, "{}", "sparkplug", 1},
		{ingest.Route{}, "\x00", "json", 0},
	} {
		c.route.Filter = "#"
		r := compile(t, ingest.Table{Routes: []ingest.Route{c.route}})
		if _, err := r.Find(ingest.Source{Topic: "spBv1.0/g/NDATA/e", ClientID: "dev", Payload: []byte(c.payload)}); err != nil {
			t.Error(err)
		}
		s := r.Stats()
		if total := s.Malformed["json"] + s.Malformed["cbor"] + s.Malformed["sparkplug"]; s.Malformed[c.format] != c.bad || total != c.bad {
			t.Errorf("%+v of %q: %v, want %d", c.route, c.payload, s.Malformed, c.bad)
		}
		if c.format == "sparkplug" && (s.Sparkplug.Messages != 1 || s.Sparkplug.Malformed != c.bad) {
			t.Errorf("%q: %+v", c.payload, s.Sparkplug)
		}
	}
}

func TestRoutesAllocateNothing(t *testing.T) {
	r := compile(t, ingest.Table{Create: ingest.Create{Allow: []string{"site-*"}}, Routes: []ingest.Route{
		{Filter: "plain/#"},
		{Filter: "level/+/#", Stream: "levels", Key: "{topic.2}"},
		{Filter: "rest/#", Key: "{topic.2-}"},
		{Filter: "named/+", Stream: "site-{topic.2|lower}", Key: "{clientid}"},
		{Filter: "payload/+", Stream: "site-{json.site}", Key: "{user.u}"},
	}})
	for _, topic := range []string{"plain/a", "level/b/c", "rest/a/b", "named/N", "payload/x", "other"} {
		from := ingest.Source{Topic: topic, ClientID: "dev", Payload: []byte(`{"site":"north"}`), User: []ingest.Property{{Name: "u", Value: "v"}}}
		if n := testing.AllocsPerRun(100, func() { _, _ = r.Find(from) }); n != 0 {
			t.Errorf("%s: %v allocations", topic, n)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	r := compile(b, ingest.Table{Create: ingest.Create{Allow: []string{"site-*"}}, Routes: []ingest.Route{
		{Filter: "alarm/#", Stream: "alarms", Key: "{topic.2}"},
		{Filter: "site/+/temp", Stream: "temps", Key: "{topic.2}-{username}"},
		{Filter: "named/+", Stream: "site-{topic.2}", Key: "{clientid}"},
		{Filter: "payload/+", Key: "{json.deviceInfo.devEui}"},
	}})
	payload := []byte(`{"deduplicationId":"3ac7e3c4","deviceInfo":{"tenantId":"52f14cd4","devEui":"0101010101010101"},"data":"` + strings.Repeat("qg==", 100) + `"}`)
	for _, topic := range []string{"plain/a/b", "alarm/fire/1", "site/7/temp", "named/north", "payload/x"} {
		b.Run(strings.ReplaceAll(topic, "/", "-"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Find(ingest.Source{Topic: topic, ClientID: "dev", Username: "bob", Payload: payload}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
