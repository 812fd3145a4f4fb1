package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"headgate/gateway/playback"
	"headgate/gateway/videoapi"
	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// wireVideo makes the Kinesis Video API over the cameras.
func (g *Gateway) wireVideo() (err error) {
	g.grants = &videoapi.Grants{States: g.states}
	g.cameras = &cameras{g: g}
	player := g.ownPlayer()
	g.video, err = videoapi.New(videoapi.Config{
		Reader: g.store, Catalog: g.store, Control: g.control, States: g.states,
		Footage: g.cameras.footage, Recorder: g.cameras.recorder, Remove: g.cameras.remove,
		Busy: g.cameras.sends,
		Clip: func(ctx context.Context, name shardlog.StreamName, from, to int64) (io.Reader, error) {
			return player.MP4(ctx, name, from, to)
		},
		Grants: g.grants, Now: g.now,
	})
	return err
}

// sends reports whether footage of a camera comes in by WebRTC or RTSP here.
func (c *cameras) sends(name shardlog.StreamName) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetching[name] != nil || c.g.webrtc != nil && c.g.webrtc.Live(name)
}

// published is the recorder for a camera that publishes or is fetched. Kind InUse: its
// footage comes in by PutMedia.
func (c *cameras) published(ctx context.Context, name shardlog.StreamName) (*chunk.Recorder, error) {
	if c.g.video.Putting(name) {
		return nil, &shardlog.Error{Kind: shardlog.InUse, Op: "record", Stream: name, Err: errors.New("its footage comes in by PutMedia")}
	}
	return c.recorder(ctx, name)
}

// api is what the address of the AWS APIs answers: the APIs, and the playlists
// of sessions that they have opened.
func (g *Gateway) api() http.Handler {
	view := func(r *http.Request, camera shardlog.StreamName) error {
		return g.grants.Check(r.Context(), r.URL.Query().Get(sessionToken), camera, g.now())
	}
	player := playback.New(playback.Config{Footage: g.cameras.footage, Authorize: view, Reader: g.store, Catalog: g.store, Now: g.now,
		Telemetry: func(*http.Request, shardlog.StreamName) []shardlog.StreamName { return nil }})
	sessions := inSession(player.Handler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // no ServeMux: it would redirect what is signed
		if strings.HasPrefix(r.URL.Path, videoapi.Playback) {
			sessions.ServeHTTP(w, r)
			return
		}
		g.door.ServeHTTP(w, r)
	})
}

// sessionToken is where a player's query has the token of its session.
const sessionToken = "SessionToken"

// inSession moves the token of a session from the path, where addresses in
// playlists inherit it, into the query. Any page may play what it has a token for.
func inSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, videoapi.Playback), "/")
		query := r.URL.Query()
		query.Set(sessionToken, token)
		inner := r.Clone(r.Context())
		inner.URL = &url.URL{Path: "/" + path, RawQuery: query.Encode()}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		next.ServeHTTP(w, inner)
	})
}
