// Package rtsp fetches cameras that do not publish by themselves: it plays
// them by RTSP (RFC 2326, RFC 7826) and hands their footage on, again and again
// for as long as it runs. It knows no storage and no viewers.
package rtsp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"headgate/ingest/chunk"
	"headgate/ingest/track"
	"headgate/shardlog"
)

// Camera is one camera that is fetched.
type Camera struct {
	Name     shardlog.StreamName
	URL      string // rtsp or rtsps, without credentials
	Username string
	Password func() (string, error) // nil: none
	UDP      bool                   // media by UDP; otherwise inside the connection
	Loopback bool                   // may the camera be this box
	// Allowed says which addresses may be reached besides; nil: any that can be
	// a camera's.
	Allowed func(netip.Addr) bool
	Sink    track.Sink
	// Live, when not nil, takes packets as they come, for those who watch:
	// write is called with the index of the packet's format.
	Live func(camera shardlog.StreamName, formats []track.Format) (write func(i int, p track.Packet), end func(), err error)
	Log  *slog.Logger
	Now  func() time.Time // nil: time.Now

	Stall time.Duration // without a packet before the camera counts as silent; zero: 10 s
	Pause time.Duration // before the second try; zero: 1 s, doubled up to 30 s

	mu    sync.Mutex
	stats Stats // guarded by mu
}

// Stats is how a camera is doing.
type Stats struct {
	Playing bool
	Since   time.Time
	Tries   uint64
	Packets uint64
	Lost    uint64 // packets that never came
	Fault   string // why the last try ended; no secrets
}

// Validate answers what is wrong with the camera. Kind Invalid.
func (c *Camera) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return shardlog.Errorf(shardlog.Invalid, "fetch camera", "its address cannot be read")
	case u.Scheme != "rtsp" && u.Scheme != "rtsps":
		return shardlog.Errorf(shardlog.Invalid, "fetch camera", "%q is not rtsp or rtsps", u.Scheme)
	case u.User != nil:
		return shardlog.Errorf(shardlog.Invalid, "fetch camera", "credentials have places of their own")
	case c.Sink == nil:
		return errors.New("rtsp: Sink is needed")
	}
	return nil
}

// Stats is how it is doing now.
func (c *Camera) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// longestPause is the most between two tries; worked is how long a camera has
// to have played for the next try to come soon.
const (
	longestPause = 30 * time.Second
	worked       = 10 * time.Second
)

// Run fetches the camera until ctx ends.
func (c *Camera) Run(ctx context.Context) error {
	if err := c.Validate(); err != nil {
		return err
	}
	first := c.Pause
	if first == 0 {
		first = time.Second
	}
	for wait := first; ; {
		err := c.play(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if s := c.Stats(); s.Playing && time.Since(s.Since) > worked {
			wait = first
		}
		news := c.ended(err)
		if c.Log != nil {
			level := slog.LevelDebug
			if news {
				level = slog.LevelWarn
			}
			c.Log.Log(ctx, level, "camera is not fetched", "camera", c.Name, "error", c.Stats().Fault, "again_in", wait)
		}
		if pause(ctx, wait) != nil {
			return nil
		}
		wait = min(2*wait, longestPause)
	}
}

// ended notes why a try ended, without the password. It reports whether that
// is another reason than that of the try before.
func (c *Camera) ended(err error) (news bool) {
	text := fmt.Sprint(err)
	if c.Password != nil {
		if secret, e := c.Password(); e == nil && secret != "" {
			text = strings.NewReplacer(secret, "***", url.QueryEscape(secret), "***").Replace(text)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	news = text != c.stats.Fault
	c.stats.Playing, c.stats.Fault = false, text
	return news
}

func (c *Camera) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errStalled is why a session ends in which nothing comes.
var errStalled = errors.New("nothing comes from the camera")

// reason is what a session's end means for its footage.
func reason(ctx context.Context, err error) chunk.Reason {
	switch {
	case ctx.Err() != nil:
		return chunk.Interrupted
	case errors.Is(err, errStalled):
		return chunk.Silent
	}
	return chunk.Left
}
