// Package chunk is the stored form of footage: parts, which are Matroska
// clusters of one camera that make a playable file when they are put one
// behind the other. It builds parts out of frames, stores them, finds them
// again by time, and reads them back. It knows no network and no codec's
// bitstream; FORMAT.md has the bytes.
package chunk

import (
	"slices"
	"time"

	"headgate/shardlog"
)

// Limits of a part.
const (
	MaxPartTime    = 500 * time.Millisecond // a part is closed when a track of it spans this
	MaxPartBytes   = 512 << 10              // or holds this
	MaxFrameBytes  = 8 << 20                // of one frame; longer ones are refused
	maxTracks      = 3                      // video, audio, telemetry
	maxFrames      = 4096                   // of one part
	maxPart        = 16 << 20               // bytes of one part, over all its records
	headersByAudio = 10                     // parts of a camera without video from header to header
)

// Frame is one access unit: a video picture or an audio packet, in the form in
// which Matroska stores it (FORMAT.md). At is milliseconds since 1970, UTC, of
// presentation; frames of a track stand in the order of decoding.
type Frame struct {
	Track uint8
	At    int64
	Key   bool // decoding may start here
	Data  []byte
}

// Part is one stored stretch of footage.
type Part struct {
	Tracks []Track // what the frames need to be decoded; nil: as in the part before
	Take   Take
	Start  int64 // the earliest frame, milliseconds since 1970
	Frames []Frame
}

// Take is an unbroken stretch of footage. Every part says when its take began
// and why the one before it ended, so that where footage is, and why it is not
// elsewhere, can be told from any part of the log.
type Take struct {
	Began    int64  // milliseconds since 1970; also the take's name
	Why      Reason // what ended the take before
	Unsynced bool   // times are those of arrival: the sender told no clock
	Lost     uint32 // frames given up inside this part: they came incomplete
}

// Reason says why there is no footage before a take.
type Reason string

// The reasons.
const (
	First       Reason = "first"       // nothing was recorded before
	Left        Reason = "left"        // the camera said goodbye
	Silent      Reason = "silent"      // nothing came from it any more
	Interrupted Reason = "interrupted" // the gateway was stopped or died
	Overrun     Reason = "overrun"     // the log took parts slower than the camera sent them
	Jumped      Reason = "jumped"      // the sender's clock jumped
	Changed     Reason = "changed"     // other tracks
	Expired     Reason = "expired"     // what was there has been given up by retention or budget
)

// Key reports whether decoding may start with this part.
func (p *Part) Key() bool { return p.Tracks != nil }

// End is the time of the latest frame, milliseconds since 1970.
func (p *Part) End() int64 {
	end := p.Start
	for i := range p.Frames {
		end = max(end, p.Frames[i].At)
	}
	return end
}

// Size is about how many bytes the part takes.
func (p *Part) Size() int {
	n := 64
	for i := range p.Frames {
		n += len(p.Frames[i].Data) + 8
	}
	return n
}

// Track finds a track by its number.
func (p *Part) Track(number uint8) (Track, bool) {
	i := slices.IndexFunc(p.Tracks, func(t Track) bool { return t.Number == number })
	if i < 0 {
		return Track{}, false
	}
	return p.Tracks[i], true
}

func corrupt(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Corrupt, "open part", format, args...)
}
