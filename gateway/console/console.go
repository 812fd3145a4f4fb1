// Package console is the pages that a gateway serves: to publish a camera and
// to watch one. They are files without a build step, and know no more of the
// gateway than its HTTP doors.
package console

import (
	_ "embed" // the pages
	"net/http"
)

//go:embed publish.html
var publish []byte

//go:embed watch.html
var watch []byte

// Publish is the page that publishes a camera: /publish/NAME.
func Publish() http.Handler { return page(publish) }

// Watch is the page that shows a camera, live and before: /watch/NAME.
func Watch() http.Handler { return page(watch) }

func page(text []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; media-src 'self' blob:; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		_, _ = w.Write(text) // a browser that has gone needs no answer
	})
}
