package web_test

import (
	"net/http"
	"strings"
	"testing"

	"headgate/ingest/web"
)

func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		listed, sent string
		may          bool
	}{
		{"https://shop.example", "https://shop.example", true},
		{"https://Shop.Example:443", "https://shop.example", true},
		{"http://shop.example:80", "http://shop.example", true},
		{"https://shop.example", "http://shop.example", false},
		{"https://shop.example", "https://shop.example:8443", false},
		{"https://shop.example", "https://shop.example.evil.example", false},
		{"https://shop.example", "https://evilshop.example", false},
		{"https://shop.example:8443", "https://shop.example:8443", true},
		{"http://[::1]:3000", "http://[::1]:3000", true},
		{"https://*.shop.example", "https://a.b.shop.example", true},
		{"https://*.shop.example", "https://shop.example", false},
		{"https://*.shop.example", "https://.shop.example", false},
		{"https://*.shop.example", "https://evilshop.example", false},
		{"https://*.shop.example", "https://evil.example/.shop.example", false},
		{"https://*.shop.example", "https://a.shop.example:8443", false},
		{"https://*.shop.example:8443", "https://a.shop.example:8443", true},
		{"null", "null", true},
		{"*", "null", true},
		{"*", "https://any.example", true},
		{"https://shop.example", "null", false},
	} {
		r := start(t, func(_ *rig, cfg *web.Config) { cfg.Sites[0].Origins = []string{c.listed} })
		a := r.post(t, "/streams/clicks/records?k="+shopKey, "x", "Origin", c.sent)
		if (a.status == 200) != c.may || (a.header.Get("Access-Control-Allow-Origin") == c.sent) != c.may {
			t.Errorf("%s sends to the site of %s: %d, %v", c.sent, c.listed, a.status, a.header)
		}
	}
}

func TestPreflight(t *testing.T) {
	r := start(t, nil)
	ask := func(path, origin string, more ...string) answer {
		return r.do(t, http.MethodOptions, path, http.NoBody,
			append(more, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-site-key")...)
	}
	a := ask("/streams/clicks/records", shop, "Access-Control-Request-Private-Network", "true")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != shop || a.header.Get("Access-Control-Allow-Methods") != "POST" ||
		!strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "X-Site-Key") || a.header.Get("Access-Control-Allow-Private-Network") != "true" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := ask("/topics/pump%2F1", "https://evil.example"); a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Vary") == "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	// The key tells whose list counts.
	if a := ask("/streams/clicks/records?k="+pumpKey, shop); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	ask("/streams/clicks/records?k=wrong", shop).wants(t, 403, "denied")
	// A page of ours may read why it is refused, a stranger's may not.
	if a := r.post(t, "/streams/clicks/records?k=wrong", "x", "Origin", shop); a.header.Get("Access-Control-Allow-Origin") != shop {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := r.post(t, "/streams/clicks/records?k=wrong", "x", "Origin", "https://evil.example"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestScript(t *testing.T) {
	r := start(t, nil)
	a := r.do(t, http.MethodGet, "/beacon.js", http.NoBody)
	if a.status != 200 || len(a.text) > 2048 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/javascript") {
		t.Errorf("%d, %d bytes, %v", a.status, len(a.text), a.header)
	}
	if b := r.do(t, http.MethodGet, "/beacon.js", http.NoBody, "If-None-Match", a.header.Get("ETag")); b.status != 304 {
		t.Errorf("%d", b.status)
	}
	if b := r.post(t, "/beacon.js", "x"); b.status != 405 {
		t.Errorf("%d", b.status)
	}
}
