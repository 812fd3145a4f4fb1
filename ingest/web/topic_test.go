package web_test

import (
	"net/netip"
	"strings"
	"testing"

	"headgate/ingest/web"
)

func TestTopics(t *testing.T) {
	r := start(t, nil)
	k := "k=" + pumpKey
	a := r.post(t, "/topics/pump%2F7%2Falarm?qos=1&"+k, "on", "X-Client-Id", "plc")
	a.wants(t, 200, "")
	if a.Message != "OK" || a.TraceID == "" || len(a.Records) != 1 {
		t.Errorf("%s", a.text)
	}
	got := r.log.Records("alarms")
	if len(got) != 1 || got[0].Key != "7" || string(got[0].Data) != "on" {
		t.Errorf("%v", got)
	}
	want := web.Meta{Topic: "pump/7/alarm", Client: "plc", Site: "pump", Agent: "Go-http-client/1.1", Address: netip.MustParseAddr("127.0.0.1")}
	if m := r.meta(t, "alarms"); m != want {
		t.Errorf("%+v", m)
	}
	r.post(t, "/topics/pump/7/state?qos=0&clientId=plc&contentType=text/x&"+k, "1\n2", "Content-Type", "application/x-ndjson").wants(t, 200, "")
	r.post(t, "/topics/pump/8/state?quiet&"+k, "").wants(t, 204, "") // an empty message is one
	r.post(t, "/topics/odd//x?key=given&"+k, "3").wants(t, 200, "")
	keys := map[string]string{}
	for _, one := range r.log.Records("telemetry") {
		m, err := web.DecodeMeta(one.Meta)
		if err != nil || m.Line || m.Client != "" {
			t.Errorf("%+v, %v", m, err)
		}
		keys[m.Topic+" "+m.ContentType] = one.Key + " " + string(one.Data)
	}
	for topic, want := range map[string]string{"pump/7/state text/x": "plc 1\n2", "pump/8/state ": "127.0.0.1 ", "odd//x ": "given 3"} {
		if keys[topic] != want {
			t.Errorf("%s: %q, want %q", topic, keys[topic], want)
		}
	}
}

func TestTopicsRefused(t *testing.T) {
	r := start(t, nil)
	for _, c := range []struct {
		path   string
		status int
		code   string
	}{
		{"/topics/", 400, "invalid"},
		{"/topics/pump/%2B", 400, "invalid"},
		{"/topics/pump/%23", 400, "invalid"},
		{"/topics/pump/%00", 400, "invalid"},
		{"/topics/pump/%ff", 400, "invalid"},
		{"/topics/pump/" + strings.Repeat("x", 252), 400, "invalid"},
		{"/topics/pump/1?qos=2", 400, "invalid"},
		{"/topics/pump/1?retain=true", 400, "invalid"},
		{"/topics/pump/1?clientId=" + strings.Repeat("x", 257), 400, "invalid"},
		{"/topics/other/1", 403, "denied"}, // not the site's
		{"/topics/$aws/rules/x", 403, "denied"},
		{"/topics/pump/secret", 403, "denied"}, // no route
		{"/topics/pump/lost/1", 403, "denied"}, // a stream that is not the site's
	} {
		a := r.post(t, c.path, "x", "X-Site-Key", pumpKey)
		a.wants(t, c.status, c.code)
	}
	if s := r.Stats(); s.Records != 0 || len(r.log.Streams()) != 0 {
		t.Errorf("%+v", s)
	}
	none := start(t, func(_ *rig, c *web.Config) { c.Routes = nil })
	none.post(t, "/topics/pump/1", "x", "X-Site-Key", pumpKey).wants(t, 404, "not found")
}
