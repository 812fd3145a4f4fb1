package gateway

import (
	"crypto/rand"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"headgate/gateway/console"
	"headgate/gateway/playback"
	"headgate/ingest/webrtc"
	"headgate/shardlog"
)

// wireCameras makes what has to do with footage.
func (g *Gateway) wireCameras() error {
	rand.Read(g.ticketKey[:]) // never fails
	if g.config.Media == off {
		return nil
	}
	c := webrtc.Config{
		Address: g.config.Media, Hosts: g.config.MediaHosts, KeyFile: filepath.Join(g.config.Data, "media.key"),
		Recorder: g.cameras.published, Footage: g.cameras.footage, Authorize: g.cameras.authorize, Ceiling: g.cameras.ceiling,
		Writer: g.writer, Routes: g.routes, Log: g.log, Now: g.now,
	}
	if g.site != nil {
		c.Writer = g.site.carrier.Writer(true)
	}
	var err error
	g.webrtc, err = webrtc.New(c)
	return err
}

// ceiling is how many bits a second a camera may send: nine tenths of what its
// shard takes, and next to nothing while the disk is full.
func (c *cameras) ceiling(shardlog.StreamName) int {
	if c.g.streams.Stats().Full != "" {
		return 100_000
	}
	limits := c.g.config.Limits.quota()
	if limits.Off {
		return 0
	}
	return limits.BytesIn * 8 * 9 / 10
}

// media serves cameras: WHIP, WHEP, playback, and the pages of both.
func (g *Gateway) media() *http.ServeMux {
	mux := http.NewServeMux()
	view := func(r *http.Request, name shardlog.StreamName) error {
		return g.cameras.authorize(r, name, webrtc.View)
	}
	player := playback.New(playback.Config{Footage: g.cameras.footage, Authorize: view, Telemetry: g.cameras.telemetry, Reader: g.store, Catalog: g.store, Now: g.now})
	mux.Handle("/cameras/", player.Handler())
	mux.HandleFunc("POST /cameras/{camera}/session", g.cameras.admitViewer)
	if g.webrtc != nil {
		door := g.webrtc.Handler()
		mux.Handle("/whip/", door)
		mux.Handle("/whep/", door)
	}
	mux.Handle("/publish/", console.Publish())
	mux.Handle("/watch/", console.Watch())
	return mux
}

// telemetry are the streams whose records may be seen with a camera's clips:
// any where nobody is asked who he is.
func (c *cameras) telemetry(r *http.Request, name shardlog.StreamName) []shardlog.StreamName {
	if c.g.config.Open {
		return c.streams()
	}
	s, _, err := c.state(r.Context(), name)
	if err != nil {
		return nil
	}
	return slices.Clone(s.Telemetry)
}

// secureConsole is the console for the network: cameras and health, whose
// doors ask for tokens.
func (g *Gateway) secureConsole() *http.Server {
	mux := g.media()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		h := g.health()
		answerHealth(w, h, h.Alive)
	})
	g.pages(mux)
	mux.HandleFunc("POST /enrol", g.enrolment)
	mux.HandleFunc("POST /enrol/renew", g.renewal)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}
