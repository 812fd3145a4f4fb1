package playback

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"headgate/ingest/chunk"
)

// clipMatroska answers a clip as MKV, or WebM where the codecs allow it, from
// which players can seek.
func (p *Player) clipMatroska(a *ask) error {
	c, err := p.plan(a)
	if err != nil {
		return err
	}
	suffix, kind := ".mkv", "video/x-matroska"
	if strings.HasSuffix(a.r.URL.Path, ".webm") {
		suffix, kind = ".webm", "video/webm"
		if i := slices.IndexFunc(c.tracks, func(t chunk.Track) bool { return !t.Codec.WebM() }); i >= 0 {
			return invalid("WebM has no %s: ask for clip.mkv or clip.mp4", c.tracks[i].Codec.Name())
		}
	}
	rows, err := p.rows(a, c)
	if err != nil {
		return err
	}
	file := p.matroska(a.r.Context(), a.footage, c, rows)
	a.attach(c.origin, suffix)
	a.w.Header().Set("Content-Type", kind)
	http.ServeContent(a.w, a.r, "", time.Time{}, file)
	return nil
}

// matroska is the file of a clip; telemetry goes into a track of its own.
func (p *Player) matroska(ctx context.Context, footage *chunk.Footage, c *clip, rows []row) *content {
	tracks := c.tracks
	if len(rows) > 0 {
		tracks = append(slices.Clone(tracks), chunk.Track{Number: chunk.TelemetryTrack, Codec: chunk.Text})
	}
	head := chunk.File{Tracks: tracks, Origin: c.origin, Duration: c.end - c.origin + frameTime}
	texts := share(c, rows)
	for i, one := range c.parts {
		var sizes []int
		for _, f := range one.frames {
			sizes = append(sizes, int(f.size))
		}
		for _, f := range texts[i] {
			sizes = append(sizes, len(f.Data))
		}
		start := one.start - c.origin
		head.Clusters = append(head.Clusters, chunk.Cluster{At: start, Size: int64(chunk.ClusterSize(start, sizes)), Key: one.key})
	}
	file := &content{}
	first := head.AppendHead(nil)
	file.add(int64(len(first)), func() ([]byte, error) { return first, nil })
	for i, cluster := range head.Clusters {
		file.add(cluster.Size, func() ([]byte, error) {
			frames, err := c.load(ctx, footage, i)
			if err != nil {
				return nil, err
			}
			part := chunk.Part{Start: c.parts[i].start, Frames: append(slices.Clone(frames), texts[i]...)}
			return part.AppendCluster(nil, c.origin), nil
		})
	}
	return file
}

// frameTime is how long the last frame lasts, in milliseconds.
const frameTime = 33

// share gives each row to the part during which it came.
func share(c *clip, rows []row) [][]chunk.Frame {
	texts := make([][]chunk.Frame, len(c.parts))
	i := 0
	for _, r := range rows {
		for i+1 < len(c.parts) && c.parts[i+1].start <= r.at {
			i++
		}
		at := min(max(r.at, c.parts[i].start), c.parts[i].start+30_000)
		texts[i] = append(texts[i], chunk.Frame{Track: chunk.TelemetryTrack, At: at, Key: true, Data: r.text()})
	}
	return texts
}
