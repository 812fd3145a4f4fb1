package playback

import (
	"context"
	"errors"
	"io"
	"time"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// clip is a stretch of footage as it will be given out: which parts, and what
// is in them, but not their bytes.
type clip struct {
	from, to int64 // as asked
	origin   int64 // the first frame: a key frame at or before from
	end      int64 // the last frame
	tracks   []chunk.Track
	parts    []planned
	first    shardlog.Seq
	last     shardlog.Seq
	lost     int // frames that came incomplete
}

// planned is one part of a clip.
type planned struct {
	seq    shardlog.Seq
	start  int64
	key    bool
	frames []shape
}

// shape is a frame without its bytes.
type shape struct {
	at    int64
	size  int32
	track uint8
	key   bool
}

// maxClip bounds a clip: what is planned stays in memory while it is sent.
const maxClip = 4 * time.Hour

// plan reads a stretch of footage once and notes what is there. It ends where
// other codecs begin.
func (p *Player) plan(a *ask) (*clip, error) {
	from, to, err := p.span(a, time.Minute)
	if err != nil {
		return nil, err
	}
	if to-from > maxClip.Milliseconds() {
		return nil, shardlog.Errorf(shardlog.LimitExceeded, "cut clip", "it is longer than %v: cut several, or use HLS", maxClip)
	}
	return planClip(a.r.Context(), a.footage, from, to)
}

func planClip(ctx context.Context, footage *chunk.Footage, from, to int64) (*clip, error) {
	key, err := footage.Key(ctx, from)
	if err != nil {
		return nil, err
	}
	c := &clip{from: from, to: to, tracks: key.Tracks, first: key.Seq}
	for part, err := range footage.Parts(ctx, key.Seq) {
		if err != nil {
			return nil, err
		}
		if part.Start >= to || part.Tracks != nil && !sameCodecs(part.Tracks, c.tracks) {
			break
		}
		if part.End() < from && part.Take.Began != key.Take.Began {
			continue
		}
		c.add(part)
	}
	if len(c.parts) == 0 || c.end < from {
		return nil, &shardlog.Error{Kind: shardlog.NotFound, Op: "cut clip", Stream: footage.Stream, Err: errors.New("there is no footage of that time")}
	}
	return c, nil
}

func (c *clip) add(part chunk.Stored) {
	one := planned{seq: part.Seq, start: part.Start, key: part.Key()}
	for _, f := range within(part.Frames, c.to) {
		one.frames = append(one.frames, shape{f.At, int32(len(f.Data)), f.Track, f.Key})
		c.end = max(c.end, f.At)
		if c.origin == 0 || f.At < c.origin {
			c.origin = f.At
		}
	}
	if len(one.frames) == 0 {
		return
	}
	c.lost += int(part.Take.Lost)
	c.parts, c.last = append(c.parts, one), part.Next-1
}

// within are the frames before an end; those of a track stay together.
func within(frames []chunk.Frame, to int64) []chunk.Frame {
	var all []chunk.Frame
	for _, f := range frames {
		if f.At < to {
			all = append(all, f)
		}
	}
	return all
}

// sameCodecs reports whether frames of both may follow each other in a file:
// sizes may change, codecs may not.
func sameCodecs(a, b []chunk.Track) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Number != b[i].Number || a[i].Codec != b[i].Codec {
			return false
		}
	}
	return true
}

// load reads the frames of the i-th part again.
func (c *clip) load(ctx context.Context, footage *chunk.Footage, i int) ([]chunk.Frame, error) {
	for part, err := range footage.Parts(ctx, c.parts[i].seq) {
		if err != nil {
			return nil, err
		}
		frames := within(part.Frames, c.to)
		if part.Seq != c.parts[i].seq || len(frames) != len(c.parts[i].frames) {
			break
		}
		return frames, nil
	}
	return nil, &shardlog.Error{Kind: shardlog.NotFound, Op: "cut clip", Stream: footage.Stream, Err: errors.New("the footage has expired meanwhile")}
}

// content is a file made of pieces, of which one at a time is in memory. It is
// what http.ServeContent wants.
type content struct {
	pieces []piece
	at     int64
	loaded int // the piece in bytes; -1: none
	bytes  []byte
}

type piece struct {
	offset, size int64
	load         func() ([]byte, error)
}

func (c *content) add(size int64, load func() ([]byte, error)) {
	c.pieces = append(c.pieces, piece{c.size(), size, load})
}

func (c *content) size() int64 {
	if len(c.pieces) == 0 {
		return 0
	}
	last := c.pieces[len(c.pieces)-1]
	return last.offset + last.size
}

// Seek is io.Seeker's.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.size()
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	c.at = offset
	return offset, nil
}

// Read is io.Reader's.
func (c *content) Read(b []byte) (int, error) {
	i := c.find(c.at)
	if i < 0 {
		return 0, io.EOF
	}
	p := c.pieces[i]
	if c.bytes == nil || c.loaded != i {
		bytes, err := p.load()
		if err != nil {
			return 0, err
		}
		if int64(len(bytes)) != p.size {
			return 0, shardlog.Errorf(shardlog.Internal, "cut clip", "a piece of %d bytes has %d", p.size, len(bytes))
		}
		c.loaded, c.bytes = i, bytes
	}
	n := copy(b, c.bytes[c.at-p.offset:])
	c.at += int64(n)
	return n, nil
}

// find is the piece that holds a place, -1 behind the end.
func (c *content) find(at int64) int {
	low, high := 0, len(c.pieces)
	for low < high {
		middle := (low + high) / 2
		if c.pieces[middle].offset+c.pieces[middle].size > at {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == len(c.pieces) {
		return -1
	}
	return low
}
