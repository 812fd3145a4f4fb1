package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"headgate/gateway/playback"
	"headgate/shardlog"
)

// CameraSpec is what somebody who adds a camera may say.
type CameraSpec struct {
	Name      string      `json:"name"`
	Retention string      `json:"retention,omitempty"`
	RTSP      *RTSPConfig `json:"rtsp,omitempty"`
	Telemetry []string    `json:"telemetry,omitempty"` // streams that go with the clips
}

// cameraAdmin is what the command line may do with cameras.
type cameraAdmin interface {
	add(ctx context.Context, spec CameraSpec) (CameraTokens, error)
	remove(ctx context.Context, name shardlog.StreamName) error
	renew(ctx context.Context, name shardlog.StreamName) (CameraTokens, error)
	accompany(ctx context.Context, name shardlog.StreamName, streams []string) error
}

func (a *admin) listCameras(http.ResponseWriter, *http.Request) (any, error) {
	return append([]CameraStatus{}, a.status().Cameras...), nil
}

func (a *admin) addCamera(_ http.ResponseWriter, r *http.Request) (any, error) {
	var spec CameraSpec
	if err := receive(r, &spec); err != nil {
		return nil, err
	}
	return a.cameras.add(r.Context(), spec)
}

func (a *admin) removeCamera(_ http.ResponseWriter, r *http.Request) (any, error) {
	return struct{}{}, a.cameras.remove(r.Context(), shardlog.StreamName(r.PathValue("camera")))
}

func (a *admin) renewTokens(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.cameras.renew(r.Context(), shardlog.StreamName(r.PathValue("camera")))
}

func (a *admin) accompanyCamera(_ http.ResponseWriter, r *http.Request) (any, error) {
	var spec CameraSpec
	if err := receive(r, &spec); err != nil {
		return nil, err
	}
	return struct{}{}, a.cameras.accompany(r.Context(), shardlog.StreamName(r.PathValue("camera")), spec.Telemetry)
}

// ownPlayer gives footage to whoever holds the socket.
func (g *Gateway) ownPlayer() *playback.Player {
	return playback.New(playback.Config{Footage: g.cameras.footage, Authorize: func(*http.Request, shardlog.StreamName) error { return nil },
		Telemetry: func(*http.Request, shardlog.StreamName) []shardlog.StreamName { return g.cameras.streams() },
		Reader:    g.store, Catalog: g.store, Now: g.now, Refuse: refuse})
}

// add makes a camera and its tokens. Kinds: Invalid, InUse.
func (c *cameras) add(ctx context.Context, spec CameraSpec) (t CameraTokens, err error) {
	name := shardlog.StreamName(spec.Name)
	if err := name.Check(); err != nil {
		return t, err
	}
	if spec.RTSP != nil {
		if fault := spec.RTSP.check(); fault != "" {
			return t, shardlog.Errorf(shardlog.Invalid, "add camera", "rtsp: %s", fault)
		}
	}
	retention := time.Duration(0)
	if spec.Retention != "" {
		d, err := ParseDuration(spec.Retention)
		if err != nil {
			return t, shardlog.Errorf(shardlog.Invalid, "add camera", "%w", err)
		}
		retention = time.Duration(d)
	}
	telemetry, err := streamNames(spec.Telemetry)
	if err != nil {
		return t, err
	}
	if err := c.g.control.CreateStream(ctx, cameraSpec(name, retention)); err != nil {
		return t, err
	}
	err = c.change(ctx, name, func(s *cameraState) error {
		*s = cameraState{RTSP: spec.RTSP, Telemetry: telemetry}
		return nil
	})
	if err != nil {
		return t, err
	}
	return c.renew(ctx, name)
}

// remove deletes a camera with its footage.
func (c *cameras) remove(ctx context.Context, name shardlog.StreamName) error {
	if s, ok := c.g.store.Stream(name); !ok || s.Class != shardlog.Video {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "find camera", Stream: name, Err: errors.New("headgate camera list shows them")}
	}
	if err := c.g.states.Mutate(ctx, shardlog.Mutation{Space: cameraSpace, Key: string(name)}); err != nil {
		return err
	}
	if c.g.webrtc != nil {
		c.g.webrtc.End(name)
	}
	c.mu.Lock()
	delete(c.recorders, name)
	c.mu.Unlock()
	return c.g.control.DeleteStream(ctx, name)
}

func streamNames(texts []string) (all []shardlog.StreamName, err error) {
	for _, text := range texts {
		if err := shardlog.StreamName(text).Check(); err != nil {
			return nil, err
		}
		all = append(all, shardlog.StreamName(text))
	}
	return all, nil
}

// accompany says which streams of telemetry go with a camera's clips.
func (c *cameras) accompany(ctx context.Context, name shardlog.StreamName, streams []string) error {
	if s, ok := c.g.store.Stream(name); !ok || s.Class != shardlog.Video {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "find camera", Stream: name}
	}
	names, err := streamNames(streams)
	if err != nil {
		return err
	}
	return c.change(ctx, name, func(s *cameraState) error {
		s.Telemetry = names
		return nil
	})
}

// streams are all that may go with clips.
func (c *cameras) streams() []shardlog.StreamName {
	var all []shardlog.StreamName
	for _, s := range c.g.store.Streams() {
		if !s.Name.Own() {
			all = append(all, s.Name)
		}
	}
	return all
}

// Cameras are the cameras of the site.
func (c *Client) Cameras(ctx context.Context) (all []CameraStatus, err error) {
	return all, c.call(ctx, http.MethodGet, "/cameras", nil, &all)
}

// AddCamera makes a camera.
func (c *Client) AddCamera(ctx context.Context, spec CameraSpec) (t CameraTokens, err error) {
	return t, c.call(ctx, http.MethodPost, "/cameras", spec, &t)
}

// RemoveCamera deletes a camera with its footage.
func (c *Client) RemoveCamera(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/cameras/"+url.PathEscape(name), nil, nil)
}

// RenewCameraTokens makes new tokens of a camera; the old ones end.
func (c *Client) RenewCameraTokens(ctx context.Context, name string) (t CameraTokens, err error) {
	return t, c.call(ctx, http.MethodPost, "/cameras/"+url.PathEscape(name)+"/tokens", struct{}{}, &t)
}

// AccompanyCamera says which streams of telemetry go with a camera's clips.
func (c *Client) AccompanyCamera(ctx context.Context, name string, streams []string) error {
	return c.call(ctx, http.MethodPut, "/cameras/"+url.PathEscape(name)+"/telemetry", CameraSpec{Name: name, Telemetry: streams}, nil)
}

// Footage writes what the player answers: a clip, a timeline, a still.
func (c *Client) Footage(ctx context.Context, name, what string, query url.Values, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, "/cameras/"+url.PathEscape(name)+"/"+what+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}
