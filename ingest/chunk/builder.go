package chunk

import (
	"slices"
)

// Builder makes parts of the frames of one camera. It is not safe for
// concurrent use; its zero value waits for Begin. Frames that come before the
// first from which decoding may start are passed over.
type Builder struct {
	take    Take
	tracks  []Track
	video   bool
	header  bool // the next part carries one
	began   bool // a part of this take has been closed or is open
	since   int  // parts without a header
	frames  []Frame
	bytes   int
	start   int64
	latest  int64
	spans   [maxTracks + 1]span // of the open part's tracks, by number
	before  int64               // where the part before started
	lost    uint32
	pending bool // the open part begins with a header
}

// Begin begins a take with these tracks; what was open is closed and answered.
// take.Began is filled in when the first part closes.
func (b *Builder) Begin(take Take, tracks []Track) *Part {
	closed := b.Close()
	*b = Builder{take: take, lost: b.lost, before: b.before}
	b.take.Began = 0
	b.setTracks(tracks)
	return closed
}

func (b *Builder) setTracks(tracks []Track) {
	b.tracks = slices.Clone(tracks)
	b.video = slices.ContainsFunc(tracks, func(t Track) bool { return t.Codec.Video() })
	b.header = true
}

// Tracks says that from now on frames are coded so. It answers the part that
// this closes, nil for none.
func (b *Builder) Tracks(tracks []Track) *Part {
	if SameTracks(b.tracks, tracks) {
		return nil
	}
	closed := b.Close()
	b.setTracks(tracks)
	return closed
}

// Lose counts a frame that came incomplete. The open part closes, so that the
// next one tells where the loss was.
func (b *Builder) Lose() *Part {
	closed := b.Close()
	b.lost++
	return closed
}

// Add takes a frame, whose bytes the Builder keeps. It answers the part that
// this closes, nil for none.
func (b *Builder) Add(f Frame) *Part {
	var closed *Part
	opens := f.Track == VideoTrack && f.Key
	if len(b.frames) > 0 && (opens || b.full(f)) {
		closed = b.Close()
	}
	if len(b.frames) == 0 {
		switch {
		case opens, !b.video && (b.header || b.since >= headersByAudio):
			b.pending = true
		case !b.began || b.video && b.header:
			return closed // nothing can be decoded yet
		}
		b.start, b.latest, b.began = f.At, f.At, true
	}
	b.frames = append(b.frames, f)
	b.bytes += len(f.Data)
	b.spans[min(int(f.Track), maxTracks)].add(f.At)
	b.start, b.latest = min(b.start, f.At), max(b.latest, f.At)
	return closed
}

// span is what a part has of one track.
type span struct {
	from, to int64
	any      bool
}

func (s *span) add(at int64) {
	if !s.any {
		*s = span{at, at, true}
	}
	s.from, s.to = min(s.from, at), max(s.to, at)
}

// maxSpread is how far sound and picture may be apart in one part.
const maxSpread = 5000

// full reports whether the open part has no room for the frame. Each track has
// its own span: sound that is ahead of pictures which take long to encode would
// otherwise close a part with every frame.
func (b *Builder) full(f Frame) bool {
	own := b.spans[min(int(f.Track), maxTracks)]
	own.add(f.At)
	return own.to-own.from >= MaxPartTime.Milliseconds() || max(b.latest, f.At)-min(b.start, f.At) >= maxSpread ||
		b.bytes+len(f.Data) > MaxPartBytes || len(b.frames) == maxFrames
}

// Close answers the open part, nil when there is none.
func (b *Builder) Close() *Part {
	if len(b.frames) == 0 {
		return nil
	}
	b.start = max(b.start, b.before+1) // sound may come late; then its times lie before the part's
	b.before = b.start
	if b.take.Began == 0 {
		b.take.Began = b.start
	}
	p := &Part{Take: b.take, Start: b.start, Frames: interleave(b.frames)}
	p.Take.Lost = b.lost
	b.since++
	if b.pending {
		p.Tracks, b.header, b.since = b.tracks, false, 0
	}
	b.frames, b.bytes, b.lost, b.pending, b.spans = nil, 0, 0, false, [maxTracks + 1]span{}
	return p
}

// interleave puts frames in the order of their times, those of one track in
// the order in which they came: a picture that is shown before one that is
// decoded before it stays behind it.
func interleave(frames []Frame) []Frame {
	var latest [128]int64
	when := make([]int64, len(frames))
	order := make([]int, len(frames))
	for i, f := range frames {
		t := f.Track & 127
		latest[t] = max(latest[t], f.At)
		when[i], order[i] = latest[t], i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(when[a] - when[b]) })
	sorted := make([]Frame, len(frames))
	for i, o := range order {
		sorted[i] = frames[o]
	}
	return sorted
}
