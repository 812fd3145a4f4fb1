package gateway

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"headgate/ingest/rtsp"
	"headgate/shardlog"
)

// fetched is one camera that this gateway fetches.
type fetched struct {
	camera *rtsp.Camera
	config string // as JSON, to see a change
	stop   context.CancelFunc
	done   chan struct{}
}

// fetchEvery is how often the cameras to fetch are looked at.
const fetchEvery = 2 * time.Second

// fetch fetches the cameras that are to be fetched, while this gateway leads.
func (c *cameras) fetch(ctx context.Context) error {
	running := map[shardlog.StreamName]*fetched{}
	defer func() {
		for _, f := range running {
			f.stop()
			<-f.done
		}
		c.setFetched(nil)
	}()
	for {
		want := c.toFetch(ctx)
		for name, f := range running {
			if want[name] == nil || asJSON(want[name]) != f.config {
				f.stop()
				<-f.done
				delete(running, name)
			}
		}
		for name, config := range want {
			if running[name] != nil {
				continue
			}
			f, err := c.begin(ctx, name, config)
			if err != nil {
				c.g.log.Warn("camera is not fetched", "camera", name, "error", err)
				continue
			}
			running[name] = f
		}
		c.setFetched(maps.Clone(running))
		if pause(ctx, fetchEvery) != nil {
			return nil
		}
	}
}

func asJSON(c *RTSPConfig) string {
	text, _ := json.Marshal(c) // of plain fields
	return string(text)
}

func (c *cameras) setFetched(all map[shardlog.StreamName]*fetched) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetching = all
}

// toFetch are the cameras to fetch: of the configuration, and of the site.
func (c *cameras) toFetch(ctx context.Context) map[shardlog.StreamName]*RTSPConfig {
	want := map[shardlog.StreamName]*RTSPConfig{}
	for _, one := range c.g.config.Cameras {
		if one.RTSP != nil {
			want[one.Name] = one.RTSP
		}
	}
	for key, value := range c.g.store.List(ctx, cameraSpace, "") {
		var s cameraState
		if json.Unmarshal(value, &s) == nil && s.RTSP != nil {
			want[shardlog.StreamName(key)] = s.RTSP
		}
	}
	return want
}

// begin begins to fetch one camera.
func (c *cameras) begin(ctx context.Context, name shardlog.StreamName, config *RTSPConfig) (*fetched, error) {
	recorder, err := c.published(ctx, name)
	if err != nil {
		return nil, err
	}
	camera := &rtsp.Camera{Name: name, URL: config.URL, Username: config.Username, UDP: config.UDP, Loopback: c.g.config.Open, Sink: recorder, Log: c.g.log, Now: c.g.now}
	if config.Password != nil {
		camera.Password = config.Password.Read
	}
	if c.g.webrtc != nil {
		camera.Live = c.g.webrtc.Feed
	}
	if err := camera.Validate(); err != nil {
		return nil, err
	}
	inner, stop := context.WithCancel(ctx)
	f := &fetched{camera: camera, config: asJSON(config), stop: stop, done: make(chan struct{})}
	go func() { // fetch waits for it
		defer close(f.done)
		_ = camera.Run(inner) // it ends with its context; Validate has been asked
	}()
	return f, nil
}
