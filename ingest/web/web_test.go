package web_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"headgate/ingest/mqtt"
	"headgate/ingest/web"
	"headgate/shardlog"
	"headgate/shardlog/quota"
)

func TestOneRecord(t *testing.T) {
	r := start(t, nil)
	a := r.post(t, "/streams/clicks/records?key=anna", `{"a":1}`, "X-Site-Key", shopKey, "Origin", shop, "User-Agent", "Test/1",
		"Referer", shop+"/cart", "Content-Type", "application/json")
	a.wants(t, 200, "")
	if len(a.Records) != 1 || !strings.HasPrefix(a.Records[0].ShardID, "shardId-") || a.Failed != 0 {
		t.Fatalf("%s", a.text)
	}
	if _, err := shardlog.ParseSequenceNumber(a.Records[0].SequenceNumber); err != nil {
		t.Error(err)
	}
	same(t, r.texts("clicks"), `{"a":1}`)
	if key := r.log.Records("clicks")[0].Key; key != "anna" {
		t.Errorf("key %q", key)
	}
	want := web.Meta{ContentType: "application/json", Site: "shop", Address: netip.MustParseAddr("127.0.0.1"), Origin: shop, Agent: "Test/1", Referrer: shop + "/cart"}
	if m := r.meta(t, "clicks"); m != want {
		t.Errorf("%+v", m)
	}
	if a.header.Get("Access-Control-Allow-Origin") != shop || !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Origin") {
		t.Errorf("%v", a.header)
	}
	if s := r.Stats(); s.Requests != 1 || s.Records != 1 || s.Bytes != 11 || s.Sites["shop"].Records != 1 || s.UnderWay != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWaysToGiveKeys(t *testing.T) {
	r := start(t, nil)
	r.post(t, "/streams/clicks/records?k="+shopKey, "a").wants(t, 200, "")
	r.post(t, "/streams/clicks/records?k="+shopKey, "b", "X-Partition-Key", "bob").wants(t, 200, "")
	r.post(t, "/streams/clicks/records?key=%C3%A4&quiet", "c", "X-Site-Key", shopKey).wants(t, 204, "")
	keys := map[string]string{}
	for _, one := range r.log.Records("clicks") {
		keys[string(one.Data)] = one.Key
	}
	if keys["a"] == "" || keys["b"] != "bob" || keys["c"] != "ä" {
		t.Errorf("%q", keys)
	}
}

func TestLines(t *testing.T) {
	r := start(t, nil)
	a := r.post(t, "/streams/clicks/records?key=x&k="+shopKey, "one\r\n\n \t\n{\"two\": 2}\nthree", "Content-Type", "application/x-ndjson; charset=utf-8")
	a.wants(t, 200, "")
	if len(a.Records) != 3 {
		t.Errorf("%s", a.text)
	}
	same(t, r.texts("clicks"), "one", `{"two": 2}`, "three")
	r.post(t, "/streams/extra/records?format=ndjson&key=x&k="+shopKey, "1\n2\n", "Content-Type", "text/plain;charset=UTF-8").wants(t, 200, "")
	r.post(t, "/streams/extra/records?format=raw&key=x&k="+shopKey, "3\n4\n", "Content-Type", "application/x-ndjson").wants(t, 200, "")
	r.post(t, "/streams/extra/records?key=x&k="+shopKey, "5\n6\n", "Content-Type", "text/plain").wants(t, 200, "")
	same(t, r.texts("extra"), "1", "2", "3\n4\n", "5\n6\n")
	if m, err := web.DecodeMeta(r.log.Records("extra")[0].Meta); err != nil || !m.Line {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestGzip(t *testing.T) {
	r := start(t, nil)
	path := "/streams/clicks/records?format=ndjson&key=x&k=" + shopKey
	r.post(t, path, packed(t, "a\nb\n")+packed(t, "c\n"), "Content-Encoding", "gzip").wants(t, 200, "")
	same(t, r.texts("clicks"), "a", "b", "c")
	bomb := packed(t, strings.Repeat("0", 5<<20))
	r.post(t, path, bomb, "Content-Encoding", "gzip").wants(t, 413, "too large")
	r.post(t, path, "no gzip", "Content-Encoding", "gzip").wants(t, 400, "invalid")
	r.post(t, path, packed(t, "cut short")[:20], "Content-Encoding", "gzip").wants(t, 400, "invalid")
	a := r.post(t, path, "x", "Content-Encoding", "br")
	a.wants(t, 415, "unsupported encoding")
	if a.header.Get("Accept-Encoding") != "gzip" {
		t.Errorf("%v", a.header)
	}
	same(t, r.texts("clicks"), "a", "b", "c")
}

func TestRefusals(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) { c.MaxBody, c.MaxRecords = 1000, 5 })
	k := "?k=" + shopKey
	long := strings.Repeat("x", 257)
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
		headers            []string
	}{
		{"POST", "/streams/clicks/records", "x", 403, "denied", nil},
		{"POST", "/streams/clicks/records?k=wrong-key-0123456789", "x", 403, "denied", nil},
		{"POST", "/streams/clicks/records?k=" + strings.Repeat("k", 5000), "x", 403, "denied", nil},
		{"POST", "/streams/clicks/records" + k, "x", 403, "denied", []string{"Origin", "https://evil.example"}},
		{"POST", "/streams/clicks/records" + k, "x", 403, "denied", []string{"Origin", "null"}},
		{"POST", "/streams/clicks/records?k=" + pumpKey, "x", 403, "denied", nil},
		{"POST", "/streams/clicks/records?k=" + pumpKey, "x", 403, "denied", []string{"Origin", shop}},
		{"POST", "/streams/_gaps/records" + k, "x", 403, "denied", nil},
		{"POST", "/streams/no%20name/records" + k, "x", 400, "invalid", nil},
		{"POST", "/streams/clicks/records" + k, "", 400, "invalid", nil},
		{"POST", "/streams/clicks/records" + k + "&format=ndjson", "\n\r\n", 400, "invalid", nil},
		{"POST", "/streams/clicks/records" + k + "&format=csv", "x", 400, "invalid", nil},
		{"POST", "/streams/clicks/records" + k + "&format=ndjson", "1\n2\n3\n4\n5\n6", 413, "too large", nil},
		{"POST", "/streams/clicks/records" + k + "&key=" + long, "x", 400, "invalid", nil},
		{"POST", "/streams/clicks/records" + k + "&key=%ff", "x", 400, "invalid", nil},
		{"POST", "/streams/clicks/records" + k + "&key=%zz", "x", 400, "invalid", nil},
		{"POST", "/streams/clicks/records" + k, strings.Repeat("x", 1001), 413, "too large", nil},
		{"POST", "/streams/clicks/records" + k, "x", 415, "unsupported media type", []string{"Content-Type", "multipart/form-data; boundary=x"}},
		{"GET", "/streams/clicks/records" + k, "", 405, "method not allowed", nil},
		{"PUT", "/streams/clicks/records" + k, "x", 405, "method not allowed", nil},
		{"POST", "/streams/clicks" + k, "x", 404, "not found", nil},
		{"POST", "/", "x", 404, "not found", nil},
		{"POST", "/streams/a/b/records" + k, "x", 404, "not found", nil},
		{"POST", "/topics/a" + k, "x", 403, "denied", nil},
	} {
		a := r.do(t, c.method, c.path, strings.NewReader(c.body), c.headers...)
		if a.status != c.status || a.Error != c.code || a.Message == "" {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, a.status, a.text, c.status, c.code)
		}
		if strings.Contains(a.text, shopKey) || strings.Contains(a.text, pumpKey) {
			t.Errorf("a key is printed: %s", a.text)
		}
	}
	if len(r.log.Streams()) != 0 {
		t.Errorf("%v", r.log.Streams())
	}
	// The largest body that is allowed, with and without its length known.
	r.post(t, "/streams/clicks/records"+k, strings.Repeat("x", 1000)).wants(t, 200, "")
	r.do(t, "POST", "/streams/clicks/records"+k, chunked{strings.NewReader(strings.Repeat("x", 1000))}).wants(t, 200, "")
	r.do(t, "POST", "/streams/clicks/records"+k, chunked{strings.NewReader(strings.Repeat("x", 1001))}).wants(t, 413, "too large")
}

// chunked hides how long a body is.
type chunked struct{ *strings.Reader }

func TestAnonymous(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) {
		c.Anonymous = &web.Site{Name: "open", Origins: []string{"*"}, Streams: []shardlog.StreamName{"public"}}
	})
	r.post(t, "/streams/public/records?key=x", strings.Repeat("x", 64<<10), "Origin", "https://any.example").wants(t, 200, "")
	r.post(t, "/streams/public/records", strings.Repeat("x", 64<<10+1)).wants(t, 413, "too large")
	r.post(t, "/streams/clicks/records", "x").wants(t, 403, "denied")
	r.post(t, "/streams/public/records?k=wrong-key-0123456789", "x").wants(t, 403, "denied")
	if m := r.meta(t, "public"); m.Site != "open" {
		t.Errorf("%+v", m)
	}
}

func TestStreamsThatExist(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) {
		c.Sites = []web.Site{{Name: "home", Key: shopKey, Streams: []shardlog.StreamName{"*"}}}
	})
	r.post(t, "/streams/new/records?k="+shopKey, "x").wants(t, 404, "not found")
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "new"}); err != nil {
		t.Fatal(err)
	}
	r.post(t, "/streams/new/records?k="+shopKey, "x").wants(t, 200, "")
	r.post(t, "/streams/_gaps/records?k="+shopKey, "x").wants(t, 403, "denied")
}

func TestRates(t *testing.T) {
	clock := newClock()
	r := start(t, func(_ *rig, c *web.Config) {
		c.Now = clock.now
		c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Sites[0].Rate = web.Rate{Records: 6, Bytes: 1000}
		c.Sites[0].AddressRate = web.Rate{Records: 4, Bytes: -1}
	})
	path := "/streams/clicks/records?format=ndjson&k=" + shopKey
	by := func(who, body string) answer { return r.post(t, path, body, "X-Forwarded-For", who) }
	by("2001:db8::1", "1\n2\n3").wants(t, 200, "")
	a := by("2001:db8::2", "4\n5") // of the same household
	a.wants(t, 429, "throttled")
	if a.header.Get("Retry-After") != "1" || a.RetryAfterMS != 250 {
		t.Errorf("%v %s", a.header, a.text)
	}
	by("2001:db8:1::1", "6\n7\n8").wants(t, 200, "")
	by("192.0.2.1", "9").wants(t, 429, "throttled") // the site's
	by("2001:db8::3", "10").wants(t, 429, "throttled")
	clock.move(time.Second)
	by("192.0.2.1", strings.Repeat("x", 3000)).wants(t, 200, "") // a debt
	clock.move(time.Second)
	a = by("192.0.2.2", "11")
	a.wants(t, 429, "throttled")
	if a.header.Get("Retry-After") != "2" || a.RetryAfterMS != 1002 {
		t.Errorf("%v %s", a.header, a.text)
	}
	clock.move(a2d(a))
	by("192.0.2.2", "11").wants(t, 200, "")
	r.post(t, "/streams/alarms/records?k="+pumpKey, "x").wants(t, 200, "") // another site pays nothing
	if n := len(r.texts("clicks")); n != 8 {
		t.Errorf("%d records", n)
	}
	if s := r.Stats(); s.Refused["throttled"] != 4 || s.Sites["shop"].Refused != 4 {
		t.Errorf("%+v", s)
	}
}

func a2d(a answer) time.Duration { return time.Duration(a.RetryAfterMS) * time.Millisecond }

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		kind   shardlog.Kind
		status int
		code   string
		after  string
	}{
		{shardlog.Throttled, 429, "throttled", "3"},
		{shardlog.Unavailable, 503, "unavailable", "3"},
		{shardlog.Unknown, 503, "unknown", "3"},
		{shardlog.Moved, 503, "unavailable", "3"},
		{shardlog.Full, 507, "full", "3"},
		{shardlog.Internal, 500, "internal", "3"},
		{shardlog.Corrupt, 500, "internal", "3"},
	} {
		r := start(t, func(r *rig, _ *web.Config) {
			r.log.Fail = func(op string) error {
				if op != "put" {
					return nil
				}
				return &shardlog.Error{Kind: c.kind, Op: op, RetryAfter: 2100 * time.Millisecond, Err: errors.New("secret of the disk")}
			}
		})
		a := r.post(t, "/streams/clicks/records?k="+shopKey, "x", "Origin", shop)
		a.wants(t, c.status, c.code)
		if a.header.Get("Retry-After") != c.after || a.header.Get("Access-Control-Allow-Origin") != shop {
			t.Errorf("%s: %v", c.code, a.header)
		}
		if c.status == 500 && (strings.Contains(a.text, "secret") || !strings.Contains(r.out.String(), "secret")) {
			t.Errorf("%s; log: %s", a.text, r.out.String())
		}
		if s := r.Stats(); s.Failed != 1 || s.Refused[c.code] != 1 {
			t.Errorf("%+v", s)
		}
	}
}

func TestPartOfTheLinesIsStored(t *testing.T) {
	r := start(t, func(r *rig, _ *web.Config) { r.log.Quota = &quota.Limits{RecordsIn: 2} })
	if err := r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "clicks", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	a := r.post(t, "/streams/clicks/records?format=ndjson&key=x&k="+shopKey, "1\n2\n3\n4")
	a.wants(t, 429, "throttled")
	if a.Failed != 2 || len(a.Records) != 4 || a.Records[1].SequenceNumber == "" || a.Records[2].Error != "throttled" || !a.Records[3].Retry ||
		a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.Message, "2 of 4 records") {
		t.Errorf("%s", a.text)
	}
	same(t, r.texts("clicks"), "1", "2")
}

func TestTooLargeForTheStream(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) {
		c.MaxBody = 3 << 20
		c.Sites[0].Rate.Bytes, c.Sites[0].AddressRate.Bytes = -1, -1
	})
	big := strings.Repeat("x", shardlog.DefaultRecordBytes)
	a := r.post(t, "/streams/clicks/records?format=ndjson&key=x&k="+shopKey, "small\n"+big+"\nlast")
	a.wants(t, 413, "too large")
	if a.Failed != 1 || a.Records[0].Error != "" || a.Records[1].Error != "too large" || a.Records[1].Retry || a.Records[2].Error != "" {
		t.Errorf("%s", a.text)
	}
	same(t, r.texts("clicks"), "small", "last")
	r.post(t, "/streams/clicks/records?k="+shopKey, big).wants(t, 413, "too large")
}

func TestAnAnswerMeansStored(t *testing.T) {
	r := start(t, nil)
	hold := r.log.Hold()
	got := make(chan answer, 1)
	go func() { got <- r.post(t, "/streams/clicks/records?k="+shopKey, "held") }()
	if err := hold.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case a := <-got:
		t.Fatalf("an answer before the commit: %s", a.text)
	case <-time.After(50 * time.Millisecond):
	}
	if r.Stats().UnderWay != 1 {
		t.Errorf("%+v", r.Stats())
	}
	hold.Release()
	(<-got).wants(t, 200, "")
	same(t, r.texts("clicks"), "held")
}

func TestMetaOfMQTTIsToldApart(t *testing.T) {
	if _, err := mqtt.DecodeMeta(web.Meta{Topic: "a"}.Append(nil)); err == nil {
		t.Error("taken for MQTT's")
	}
	if _, err := web.DecodeMeta(mqtt.Meta{Topic: "a"}.Append(nil)); err == nil {
		t.Error("MQTT's taken for ours")
	}
}

func TestConfig(t *testing.T) {
	good := func() web.Site { return sites()[0] }
	for name, spoil := range map[string]func(*web.Config, *web.Site){
		"no writer":    func(c *web.Config, _ *web.Site) { c.Writer = nil },
		"negative":     func(c *web.Config, _ *web.Site) { c.MaxBody = -1 },
		"memory":       func(c *web.Config, _ *web.Site) { c.MaxMemory = 1 << 20 },
		"no name":      func(_ *web.Config, s *web.Site) { s.Name = "" },
		"short key":    func(_ *web.Config, s *web.Site) { s.Key = "short" },
		"origin path":  func(_ *web.Config, s *web.Site) { s.Origins = []string{shop + "/"} },
		"origin ftp":   func(_ *web.Config, s *web.Site) { s.Origins = []string{"ftp://x"} },
		"origin inner": func(_ *web.Config, s *web.Site) { s.Origins = []string{"https://a.*.example"} },
		"stream":       func(_ *web.Config, s *web.Site) { s.Streams = []shardlog.StreamName{"a b"} },
		"own stream":   func(_ *web.Config, s *web.Site) { s.Streams = []shardlog.StreamName{"_gaps"} },
		"topic":        func(_ *web.Config, s *web.Site) { s.Topics = []string{"a#"} },
		"anonymous":    func(c *web.Config, _ *web.Site) { s := good(); s.Name = "other"; c.Anonymous = &s },
		"same name": func(c *web.Config, _ *web.Site) {
			s := good()
			s.Key = pumpKey
			c.Sites = append(c.Sites, s)
		},
		"same key": func(c *web.Config, _ *web.Site) { s := good(); s.Name = "other"; c.Sites = append(c.Sites, s) },
	} {
		c := web.Config{Writer: start(t, nil).log, Sites: []web.Site{good()}}
		spoil(&c, &c.Sites[0])
		if _, err := web.New(c); err == nil || shardlog.KindOf(err) != shardlog.Invalid || strings.Contains(fmt.Sprint(err), shopKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutControlNothingIsMade(t *testing.T) {
	r := start(t, func(_ *rig, c *web.Config) { c.Control = nil })
	r.post(t, "/streams/clicks/records?k="+shopKey, "x").wants(t, 404, "not found")
}
