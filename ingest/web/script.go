package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // beacon.js
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed beacon.js
var beacon []byte

// script is what /beacon.js serves. It holds no key: a page names its own.
type script struct {
	text []byte
	tag  string
}

func loadScript() script {
	sum := sha256.Sum256(beacon)
	return script{text: beacon, tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func (s script) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*") // for pages that check its integrity
	h.Set("ETag", s.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.text))
}
