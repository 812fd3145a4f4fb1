package decode_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"headgate/ingest/decode"
)

// text is a value as templates have it, "-" when it has none.
func text(v decode.Value) string {
	b, ok := v.Append(nil)
	if !ok {
		return "-"
	}
	return string(b)
}

func TestJSON(t *testing.T) {
	const nested = ` { "a" : {"b":[10,{"c":"deep"},[1,[2]]], "b\"}":1}, "n":null,"t":true,"f":false,"e":"","s":"x\u00fc\n\"]}","x":-1.50e+3,"big":12345678901234567890,"a":2,"\u0061bc":7}`
	for _, c := range []struct{ payload, path, want string }{
		{nested, "a.b.0", "10"},
		{nested, "a.b.1.c", "deep"},
		{nested, "a.b.2.1.0", "2"},
		{nested, "a.b.3", "-"},
		{nested, "a.b.x", "-"},
		{nested, "a.b\"}", "1"},
		{nested, "a", "-"}, // an object has no text; of two the first counts
		{nested, "n", "-"},
		{nested, "t", "true"},
		{nested, "f", "false"},
		{nested, "e", ""},
		{nested, "s", "xü\n\"]}"},
		{nested, "x", "-1.50e+3"},
		{nested, "big", "12345678901234567890"},
		{nested, "abc", "7"},
		{nested, "none", "-"},
		{nested, "x.y", "-"},
		{`"alone"`, "", "alone"},
		{`[]`, "0", "-"},
		{`{}`, "a", "-"},
		{`{"a":1}rest`, "a", "1"}, // what is behind is not read
		{``, "a", "!"},
		{`{`, "a", "!"},
		{`{"a"`, "a", "!"},
		{`{"a":`, "a", "!"},
		{`{"a":01}`, "a", "!"},
		{`{"a":tru}`, "a", "!"},
		{`{"a":"x`, "a", "!"},
		{`{"b":{"a":1}`, "a", "!"},
		{`{"b":1 "a":1}`, "a", "!"},
		{`{b:1}`, "a", "!"},
		{`[1`, "1", "!"},
		{"\x00\xff", "a", "!"},
		{"\xff", "a", "!"},
		{"21.5", "a", "-"}, // no object: it has no fields
	} {
		var path []string
		if c.path != "" {
			path = strings.Split(c.path, ".")
		}
		v, err := decode.JSON([]byte(c.payload), path)
		got := text(v)
		if err != nil {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%s of %s: got %q, %v, want %q", c.path, c.payload, got, err, c.want)
		}
	}
}

func TestJSONAllocatesNothing(t *testing.T) {
	payload, path := []byte(uplink), []string{"deviceInfo", "tags", "site"}
	if n := testing.AllocsPerRun(100, func() { _, _ = decode.JSON(payload, path) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(uplink), "deviceInfo.tags.site")
	f.Add([]byte(`{"a":[1,"\\\"",{}]}`), "a.1")
	f.Add([]byte(`{"":{"":-0.0e1}}`), ".")
	f.Fuzz(func(t *testing.T, b []byte, path string) {
		names := strings.Split(path, ".")
		v, err := decode.JSON(b, names)
		if decode.CheckJSON(b) != nil {
			return
		}
		if err != nil {
			t.Fatalf("%q of valid %q: %v", path, b, err)
		}
		want, there := lookup(b, names)
		if there != (v.Kind != decode.Missing) {
			t.Fatalf("%q of %q: there %v, kind %d", path, b, there, v.Kind)
		}
		switch want := want.(type) {
		case string:
			if v.Kind != decode.String || string(v.Text()) != want {
				t.Errorf("%q of %q: got %q, want %q", path, b, v.Text(), want)
			}
		case json.Number:
			if v.Kind != decode.Number || string(v.Text()) != string(want) {
				t.Errorf("%q of %q: got %q, want %q", path, b, v.Text(), want)
			}
		}
	})
}

// lookup is JSON by way of encoding/json's tokens.
func lookup(b []byte, path []string) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return descend(d, path)
}

func descend(d *json.Decoder, path []string) (any, bool) {
	token, _ := d.Token()
	if len(path) == 0 {
		return token, true
	}
	switch token {
	case json.Delim('{'):
		for d.More() {
			if key, _ := d.Token(); key == path[0] {
				return descend(d, path[1:])
			}
			var passed json.RawMessage
			_ = d.Decode(&passed)
		}
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			if place, ok := number(path[0]); ok && place == i {
				return descend(d, path[1:])
			}
			var passed json.RawMessage
			_ = d.Decode(&passed)
		}
	}
	return nil, false
}

func number(text string) (n int, ok bool) {
	if text == "" || len(text) > 6 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// uplink is an event as ChirpStack 4 publishes it, shortened a little.
const uplink = `{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":"2022-07-18T09:34:15.775023242+00:00",
"deviceInfo":{"tenantId":"52f14cd4-c6f1-4fbd-8f87-4025e1d49242","tenantName":"ChirpStack","applicationId":"17c82e96-be03-4f38-aef3-f83d48582d97",
"applicationName":"Test application","deviceProfileId":"14855bf7-d10d-4aee-b618-ebfcb64dc7ad","deviceProfileName":"Test device-profile",
"deviceName":"Test device","devEui":"0101010101010101","tags":{"key":"value","site":"north"}},"devAddr":"00189440","dr":1,"fPort":1,"data":"qg==",
"rxInfo":[{"gatewayId":"0016c001f153a14c","uplinkId":4217106255,"rssi":-36,"snr":10.5,"context":"E3OWOQ==","metadata":{"region_name":"eu868"}}],
"txInfo":{"frequency":867100000,"modulation":{"lora":{"bandwidth":125000,"spreadingFactor":11,"codeRate":"CR_4_5"}}}}`

// The field lies in the middle of the payload, as fields do.
func BenchmarkJSON(b *testing.B) {
	payload, path := []byte(uplink), []string{"deviceInfo", "tags", "site"}
	run := func(name string, find func() string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if find() != "north" {
					b.Fatal("another value")
				}
			}
		})
	}
	run("ours", func() string {
		v, _ := decode.JSON(payload, path)
		return string(v.Text())
	})
	run("gjson", func() string { return gjson.GetBytes(payload, "deviceInfo.tags.site").String() })
	run("tokens", func() string {
		v, _ := lookup(payload, path)
		s, _ := v.(string)
		return s
	})
	run("tree", func() string {
		var tree struct {
			DeviceInfo struct{ Tags map[string]string }
		}
		_ = json.Unmarshal(payload, &tree)
		return tree.DeviceInfo.Tags["site"]
	})
}
