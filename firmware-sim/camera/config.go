package camera

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Config says what camera to simulate. The zero value of each field but
// Endpoint has a meaning.
type Config struct {
	Endpoint string // URL that offers are posted to
	Token    string // bearer token; empty: none is shown

	Video  Video
	Audio  Sound         // default Opus
	Loss   Loss          // of the way to the server
	Script []Step        // done once, in order
	Seed   uint64        // of the losses and of what begins at random
	Pause  time.Duration // before the second try to publish, doubled up to thirty-fold; default 1 s
	Ledger int           // frames remembered; default 65,536
}

// Video is a video track.
type Video struct {
	Off           bool // microphone only
	Width, Height int  // default 1280×720; even, at least 128×96
	FPS           int  // default 30
	BitsPerSecond int  // default 2,000,000; a floor is what the number and the keyframes take
	GOP           int  // frames from keyframe to keyframe; default two seconds
}

// Loss is how RTP packets get lost on the way, the ones sent again too.
type Loss struct {
	Share float64 // of the packets, 0 to below 1
	Burst int     // packets lost in a row; default 1
}

// Step is something that happens to a camera. What a field leaves at its zero
// value does not happen.
type Step struct {
	After time.Duration // since the step before it, the first one since the first connection

	Width, Height int   // the picture changes its size
	Loss          *Loss // the way changes
	Mute          *bool // no audio packets are sent while muted; their timestamps go on

	Stop   bool          // the session ends, and is published anew after Pause
	Vanish bool          // the same without a word: no DELETE, no closing
	Pause  time.Duration // how long the camera is away
}

// ErrConfig says that a Config asks for what cannot be.
var ErrConfig = errors.New("configuration")

// Normal fills in what is not said and checks the rest; an error is ErrConfig.
func (c Config) Normal() (Config, error) {
	c.Video = c.Video.Normal()
	c.Audio = orElse(c.Audio, Opus)
	c.Pause = orElse(c.Pause, time.Second)
	c.Ledger = orElse(c.Ledger, 1<<16)
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

// Normal fills in what is not said.
func (v Video) Normal() Video {
	if v.Width == 0 && v.Height == 0 {
		v.Width, v.Height = 1280, 720
	}
	v.FPS = orElse(v.FPS, 30)
	v.BitsPerSecond = orElse(v.BitsPerSecond, 2_000_000)
	v.GOP = orElse(v.GOP, 2*v.FPS)
	return v
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (c Config) check() error {
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Hostname() == "" {
		return fmt.Errorf("endpoint %q is no http or https URL", c.Endpoint)
	}
	if err := c.Video.check(); err != nil {
		return err
	}
	switch c.Audio {
	case Opus, PCMU, PCMA:
	case NoSound:
		if c.Video.Off {
			return errors.New("neither video nor audio")
		}
	default:
		return fmt.Errorf("audio %q is none of opus, pcmu, pcma and none", c.Audio)
	}
	if err := c.Loss.check(); err != nil {
		return err
	}
	if c.Pause < 0 || c.Ledger < 0 {
		return errors.New("a pause and a ledger are not negative")
	}
	for i, s := range c.Script {
		if err := s.check(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (v Video) check() error {
	if err := checkSize(v.Width, v.Height); err != nil {
		return err
	}
	if v.FPS < 1 || v.FPS > 240 {
		return fmt.Errorf("%d frames a second are not between 1 and 240", v.FPS)
	}
	if v.BitsPerSecond < 0 || v.GOP < 1 || v.GOP > 1<<16 {
		return errors.New("a bit rate is not negative, a GOP has 1 to 65,536 frames")
	}
	return nil
}

func checkSize(width, height int) error {
	if width < 128 || height < 96 || width > 4096 || height > 4096 || width%2+height%2 > 0 {
		return fmt.Errorf("%d×%d is not even, or not between 128×96 and 4096×4096", width, height)
	}
	return nil
}

func (l Loss) check() error {
	if !(l.Share >= 0 && l.Share < 1) || l.Burst < 0 {
		return fmt.Errorf("a share of %v lost in bursts of %d cannot be", l.Share, l.Burst)
	}
	return nil
}

func (s Step) check() error {
	if s.After < 0 || s.Pause < 0 {
		return errors.New("a time is not negative")
	}
	if s.Loss != nil {
		if err := s.Loss.check(); err != nil {
			return err
		}
	}
	if s.Width != 0 || s.Height != 0 {
		return checkSize(s.Width, s.Height)
	}
	return nil
}
