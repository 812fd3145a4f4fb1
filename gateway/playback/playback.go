// Package playback gives stored footage out over HTTP: timelines, clips as
// MKV, WebM and MP4, HLS of what is stored and of what is live, stills, and
// the telemetry of the same time beside them. It transcodes nothing, keeps
// nothing, and knows neither cameras' protocols nor who may see what.
package playback

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// Config is what a Player needs.
type Config struct {
	Footage func(camera shardlog.StreamName) *chunk.Footage
	// Authorize answers Denied to whoever may not watch a camera.
	Authorize func(r *http.Request, camera shardlog.StreamName) error
	// Telemetry are the streams whose records may go with a camera's clips.
	Telemetry func(r *http.Request, camera shardlog.StreamName) []shardlog.StreamName
	Reader    shardlog.Reader
	Catalog   shardlog.Catalog
	Now       func() time.Time
	// Refuse answers an error; nil: as a problem (RFC 9457).
	Refuse func(w http.ResponseWriter, err error)
}

// Player answers requests for footage.
type Player struct{ config Config }

// New makes a Player.
func New(c Config) *Player {
	if c.Refuse == nil {
		c.Refuse = refuse
	}
	return &Player{config: c}
}

// Handler answers below /cameras/{camera}/.
func (p *Player) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(*ask) error{
		"timeline.json": p.timeline,
		"clip.mkv":      p.clipMatroska,
		"clip.webm":     p.clipMatroska,
		"clip.mp4":      p.clipMP4,
		"clip.csv":      p.clipCSV,
		"clip.vtt":      p.clipVTT,
		"clip.json":     p.manifest,
		"still.jpg":     p.still,
		"index.m3u8":    p.playlist,
		"live.m3u8":     p.live,
		"init.mp4":      p.initMP4,
		"window.m4s":    p.window,
		"record.m4s":    p.record,
	} {
		mux.HandleFunc("GET /cameras/{camera}/"+pattern, p.let(answer))
	}
	return mux
}

// ask is one request that was let in.
type ask struct {
	w       http.ResponseWriter
	r       *http.Request
	camera  shardlog.StreamName
	footage *chunk.Footage
}

func (p *Player) let(answer func(*ask) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := &ask{w: w, r: r, camera: shardlog.StreamName(r.PathValue("camera"))}
		err := a.camera.Check()
		if err == nil {
			err = p.config.Authorize(r, a.camera)
		}
		if err == nil {
			a.footage = p.config.Footage(a.camera)
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // clips are as long as they are
			w.Header().Set("Cache-Control", "no-store")
			err = answer(a)
		}
		if err != nil {
			p.config.Refuse(w, err)
		}
	}
}

// refuse answers a problem (RFC 9457), unless the answer has begun.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch shardlog.KindOf(err) {
	case shardlog.Invalid:
		status = http.StatusBadRequest
	case shardlog.NotFound:
		status = http.StatusNotFound
	case shardlog.Denied:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer realm="headgate"`)
	case shardlog.LimitExceeded:
		status = http.StatusRequestEntityTooLarge
	case shardlog.Unavailable:
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": err.Error()}) // a client who has gone needs no answer
}

// moment reads a time: RFC 3339, milliseconds since 1970, or a span before now
// such as -10m; otherwise when the request names none.
func (p *Player) moment(a *ask, name string, otherwise int64) (int64, error) {
	text := a.r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	if text == "now" {
		return p.config.Now().UnixMilli(), nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 {
		return ms, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d < 0 {
		return p.config.Now().Add(d).UnixMilli(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, invalid("%s %q: write 2026-11-27T12:00:00Z, milliseconds since 1970, or -10m", name, text)
	}
	return t.UnixMilli(), nil
}

// span reads the start and the end that a request names. Kind Invalid.
func (p *Player) span(a *ask, usual time.Duration) (from, to int64, err error) {
	now := p.config.Now().UnixMilli()
	if to, err = p.moment(a, "end", now); err != nil {
		return 0, 0, err
	}
	if from, err = p.moment(a, "start", to-usual.Milliseconds()); err != nil {
		return 0, 0, err
	}
	if from >= to {
		return 0, 0, invalid("start lies behind end")
	}
	return from, to, nil
}

func invalid(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "play", format, args...)
}

// maxSpans bounds a timeline.
const maxSpans = 1000

// span of a timeline, for clients.
type takeText struct {
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
	After    chunk.Reason `json:"after"` // why there is nothing before
	Unsynced bool         `json:"unsynced,omitempty"`
	Tracks   []trackText  `json:"tracks"`
}

type trackText struct {
	Codec    string `json:"codec"`
	Width    int    `json:"width,omitempty"`
	Height   int    `json:"height,omitempty"`
	Rate     int    `json:"rate,omitempty"`
	Channels int    `json:"channels,omitempty"`
}

func tracksText(tracks []chunk.Track) []trackText {
	all := []trackText{}
	for _, t := range tracks {
		all = append(all, trackText{t.Codec.Name(), t.Width, t.Height, t.Rate, t.Channels})
	}
	return all
}

func takes(spans []chunk.Span) []takeText {
	all := []takeText{}
	for _, s := range spans {
		all = append(all, takeText{millis(s.From), millis(s.To), s.Why, s.Unsynced, tracksText(s.Tracks)})
	}
	return all
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// timeline lists where footage is, and why it is not elsewhere.
func (p *Player) timeline(a *ask) error {
	from, to, err := p.span(a, 24*time.Hour)
	if err != nil {
		return err
	}
	spans, err := a.footage.Timeline(a.r.Context(), from, to, maxSpans)
	if err != nil {
		return err
	}
	return a.json(map[string]any{"camera": a.camera, "from": millis(from), "to": millis(to), "takes": takes(spans)})
}

func (a *ask) json(v any) error {
	a.w.Header().Set("Content-Type", "application/json")
	return ignoreGone(json.NewEncoder(a.w).Encode(v))
}

// ignoreGone passes over what cannot be told to a client who has gone.
func ignoreGone(err error) error {
	if err != nil && !errors.As(err, new(*shardlog.Error)) {
		return nil
	}
	return err
}

// attach names the file for whoever keeps it.
func (a *ask) attach(from int64, suffix string) {
	if a.r.URL.Query().Has("download") {
		a.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", string(a.camera)+"-"+millis(from).Format("20060102-150405")+suffix))
	}
}
