package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// cameraSpace holds what is known of each camera, by name: a cameraState.
const cameraSpace shardlog.Space = "camera"

// cameras are the cameras of the site. A camera is a stream of class Video
// with one shard; whoever may send to it and watch it is state of the site.
type cameras struct {
	g *Gateway

	mu        sync.Mutex
	recorders map[shardlog.StreamName]*chunk.Recorder // guarded by mu
	fetching  map[shardlog.StreamName]*fetched        // guarded by mu
	group     *errgroup.Group                         // guarded by mu; nil while nothing can be recorded
	running   context.Context                         // guarded by mu: of group
}

// cameraState is what the site keeps of a camera, beside its stream.
type cameraState struct {
	Publish string `json:"publish,omitempty"` // SHA-256 of the token, hexadecimal
	View    string `json:"view,omitempty"`
	// Telemetry are the streams that go with the clips.
	Telemetry []shardlog.StreamName `json:"telemetry,omitempty"`
	RTSP      *RTSPConfig           `json:"rtsp,omitempty"`
}

// run runs the recorders until ctx ends; then what they hold is stored.
func (c *cameras) run(ctx context.Context) error {
	group, inner := errgroup.WithContext(ctx)
	c.mu.Lock()
	c.group, c.running = group, inner
	c.mu.Unlock()
	group.Go(func() error {
		<-inner.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.group = nil
		return nil
	})
	return group.Wait()
}

// recorder is the one that stores a camera's footage here. It is made when it
// is first asked for, and goes on where the log ends. Kinds: NotFound,
// Invalid, Unavailable.
func (c *cameras) recorder(ctx context.Context, name shardlog.StreamName) (*chunk.Recorder, error) {
	if err := c.ensure(ctx, name); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.recorders[name]; r != nil {
		return r, nil
	}
	if c.group == nil {
		return nil, shardlog.Errorf(shardlog.Unavailable, "record", "the gateway is stopping")
	}
	last, err := c.footage(name).Last(ctx)
	if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
		return nil, err
	}
	writer := c.g.writer
	if c.g.site != nil { // cameras go on without a quorum
		writer = c.g.site.carrier.Writer(true)
	}
	r := &chunk.Recorder{Writer: writer, Stream: name, Log: c.g.log}
	if last.Frames != nil {
		r.Resume(last.End(), chunk.Interrupted)
	}
	if c.recorders == nil {
		c.recorders = map[shardlog.StreamName]*chunk.Recorder{}
	}
	c.recorders[name] = r
	running := c.running
	c.group.Go(func() error { return r.Run(running) })
	return r, nil
}

// ensure sees to it that a camera is there. Only an open gateway makes those
// that nobody added.
func (c *cameras) ensure(ctx context.Context, name shardlog.StreamName) error {
	s, there := c.g.store.Stream(name)
	switch {
	case there && s.Class == shardlog.Video:
		return nil
	case there:
		return &shardlog.Error{Kind: shardlog.Invalid, Op: "find camera", Stream: name, Err: errors.New("this stream is no camera's")}
	case !c.g.config.Open:
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "find camera", Stream: name, Err: errors.New("headgate camera add makes one")}
	}
	err := c.g.control.CreateStream(ctx, cameraSpec(name, 0))
	if err != nil && shardlog.KindOf(err) != shardlog.InUse {
		return err
	}
	return nil
}

func cameraSpec(name shardlog.StreamName, retention time.Duration) shardlog.StreamSpec {
	return shardlog.StreamSpec{Name: name, Shards: 1, Retention: retention, Class: shardlog.Video}
}

// footage is what is stored of a camera.
func (c *cameras) footage(name shardlog.StreamName) *chunk.Footage {
	return &chunk.Footage{Reader: c.g.store, Catalog: c.g.store, Stream: name}
}

// names are the cameras of the site, in order.
func (c *cameras) names() []shardlog.StreamName {
	var all []shardlog.StreamName
	for _, s := range c.g.store.Streams() {
		if s.Class == shardlog.Video {
			all = append(all, s.Name)
		}
	}
	return all
}

// state is what the site keeps of a camera; nothing of one that was made
// without.
func (c *cameras) state(ctx context.Context, name shardlog.StreamName) (s cameraState, v shardlog.Version, err error) {
	value, v, err := c.g.store.Get(ctx, cameraSpace, string(name))
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return s, 0, nil
		}
		return s, 0, err
	}
	if err := json.Unmarshal(value, &s); err != nil {
		return s, v, shardlog.Errorf(shardlog.Corrupt, "read camera", "%s: %w", name, err)
	}
	return s, v, nil
}

// change changes what the site keeps of a camera.
func (c *cameras) change(ctx context.Context, name shardlog.StreamName, edit func(*cameraState) error) error {
	for {
		value, v, err := c.g.states.Get(ctx, cameraSpace, string(name))
		expect := shardlog.At(v)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.NotFound {
				return err
			}
			expect, value = shardlog.Absent(), []byte("{}")
		}
		var s cameraState
		if err := json.Unmarshal(value, &s); err != nil {
			return shardlog.Errorf(shardlog.Corrupt, "read camera", "%s: %w", name, err)
		}
		if err := edit(&s); err != nil {
			return err
		}
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		err = c.g.states.Mutate(ctx, shardlog.Mutation{Space: cameraSpace, Key: string(name), Value: text, Expect: expect})
		if shardlog.KindOf(err) != shardlog.Conflict || err == nil {
			return err
		}
	}
}

// CameraStatus is one camera.
type CameraStatus struct {
	Name      string        `json:"name"`
	Source    string        `json:"source"` // whip, rtsp, kinesisvideo
	Live      bool          `json:"live"`   // sends to this gateway now
	Latest    time.Time     `json:"latest,omitzero"`
	Retention time.Duration `json:"retention_ns"`
	Stored    uint64        `json:"stored"`
	Oldest    time.Time     `json:"oldest,omitzero"`
	chunk.RecorderStats
	Fault string `json:"fault,omitempty"`
}

// status is how the cameras are doing.
func (c *cameras) status(streams []StreamStatus) []CameraStatus {
	var all []CameraStatus
	names := c.names()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range streams {
		name := shardlog.StreamName(s.Name)
		if !slices.Contains(names, name) {
			continue
		}
		one := CameraStatus{Name: s.Name, Source: "whip", Retention: s.Retention, Stored: s.Stored, Oldest: s.Oldest, Latest: s.Newest}
		one.Live = c.g.webrtc != nil && c.g.webrtc.Live(name)
		if c.g.video.Putting(name) {
			one.Live, one.Source = true, "kinesisvideo"
		}
		if f := c.fetching[name]; f != nil {
			s := f.camera.Stats()
			one.Source, one.Live, one.Fault = "rtsp", s.Playing, s.Fault
		}
		if r := c.recorders[name]; r != nil {
			one.RecorderStats = r.Stats()
		}
		all = append(all, one)
	}
	return all
}
