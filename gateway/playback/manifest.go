package playback

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"

	"headgate/ingest/chunk"
)

// manifest answers what a clip holds and the SHA-256 of its file, so that a
// copy can be told from a forgery: the same clip has the same bytes on every
// gateway of the site.
func (p *Player) manifest(a *ask) error {
	c, err := p.plan(a)
	if err != nil {
		return err
	}
	rows, err := p.rows(a, c)
	if err != nil {
		return err
	}
	format := a.r.URL.Query().Get("format")
	var file *content
	switch format {
	case "", "mkv", "webm":
		if format == "" {
			format = "mkv"
		}
		if format == "webm" && slices.ContainsFunc(c.tracks, func(t chunk.Track) bool { return !t.Codec.WebM() }) {
			return invalid("WebM does not have these codecs")
		}
		file = p.matroska(a.r.Context(), a.footage, c, rows)
	case "mp4":
		if file, err = p.mp4(a.r.Context(), a.footage, c); err != nil {
			return err
		}
	default:
		return invalid("format %q: mkv, webm or mp4", format)
	}
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err != nil {
		return err
	}
	spans, err := a.footage.Timeline(a.r.Context(), c.origin, c.end, maxSpans)
	if err != nil {
		return err
	}
	frames := map[string]int{}
	for _, part := range c.parts {
		for _, f := range part.frames {
			frames[map[uint8]string{chunk.VideoTrack: "video", chunk.AudioTrack: "audio"}[f.track]]++
		}
	}
	return a.json(map[string]any{
		"camera": a.camera, "start": millis(c.from), "end": millis(c.to), "first_frame": millis(c.origin), "last_frame": millis(c.end),
		"tracks": tracksText(c.tracks), "frames": frames, "frames_incomplete": c.lost, "parts": len(c.parts),
		"first_sequence": c.first, "last_sequence": c.last, "telemetry_records": len(rows), "takes": takes(spans),
		"format": format, "bytes": size, "sha256": hex.EncodeToString(sum.Sum(nil)),
	})
}
