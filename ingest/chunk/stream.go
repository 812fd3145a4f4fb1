package chunk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"headgate/shardlog"
)

const (
	maxHeadElement = 1 << 20 // bytes of Info or Tracks
	maxBlock       = MaxFrameBytes + 16
	streamBuffer   = 32 << 10
)

// Event is what comes next in a Stream.
type Event uint8

// The events.
const (
	TracksCome   Event = iota + 1 // Tracks has them
	ClusterOpens                  // Time is its
	FrameComes                    // Frame has it
	ClusterEnds                   // all its frames have come
)

// Stream reads Matroska that others write, as it comes: one element at a time,
// whole files and such without an end, of known and unknown sizes, several
// behind one another. It holds no more than one frame. It is not safe for
// concurrent use.
type Stream struct {
	// Tracks are those of the latest Tracks element, with the numbers that the
	// stream gives them.
	Tracks []Track
	Time   int64 // of the cluster, milliseconds; what 0 is, the stream's writer knows
	// Frame is the latest, its Track as in Tracks and At on the same clock as
	// Time. Its bytes are the caller's.
	Frame Frame

	r       *bufio.Reader
	at      uint64 // bytes read
	scale   uint64 // nanoseconds a tick
	ticks   uint64 // the cluster's
	inside  bool   // a segment has begun
	cluster bool   // in a cluster
	timed   bool   // whose time is known
	end     uint64 // of the cluster; unknownSize
	held    *element
}

// NewStream makes a Stream.
func NewStream(r io.Reader) *Stream {
	return &Stream{r: bufio.NewReaderSize(r, streamBuffer), scale: 1_000_000}
}

// Next answers what comes next; io.EOF at the end, io.ErrUnexpectedEOF when
// that lies inside an element. Kinds: Corrupt (this is no Matroska, or of a
// kind that is not taken), Invalid (too many tracks), LimitExceeded (an element
// is too large).
func (s *Stream) Next() (Event, error) {
	for {
		if s.cluster && s.at >= s.end {
			if s.at > s.end {
				return 0, corrupt("an element is longer than its cluster")
			}
			return s.close()
		}
		e, err := s.head()
		if err != nil {
			if errors.Is(err, io.EOF) && s.cluster {
				if s.end != unknownSize {
					return 0, io.ErrUnexpectedEOF
				}
				return s.close()
			}
			return 0, err
		}
		if s.cluster && s.end == unknownSize && outside(e.id) {
			s.held = &e
			return s.close()
		}
		event, err := s.take(e)
		if event != 0 || err != nil {
			return event, err
		}
	}
}

func (s *Stream) close() (Event, error) {
	timed := s.timed
	s.cluster, s.timed = false, false
	if !timed {
		return 0, corrupt("a cluster without a time")
	}
	return ClusterEnds, nil
}

// outside reports whether the element can be no child of a cluster.
func outside(id uint32) bool {
	return slices.Contains([]uint32{idEBML, idSegment, idCluster, idSeekHead, idInfo, idTracks, idCues, idTags, idChapters, idAttachments}, id)
}

// take reads the element whose head has been read; 0 says that it is nothing
// to tell of.
func (s *Stream) take(e element) (Event, error) {
	if e.size == unknownSize && e.id != idSegment && e.id != idCluster {
		return 0, corrupt("element %x of unknown size", e.id)
	}
	if s.cluster {
		return s.takeInner(e)
	}
	if !s.inside && e.id != idEBML && e.id != idSegment && e.id != idVoid && e.id != idCRC {
		return 0, corrupt("element %x before the segment", e.id)
	}
	switch e.id {
	case idEBML:
		s.inside, s.scale = false, 1_000_000
		return 0, s.takeEBML(e)
	case idSegment:
		s.inside = true
		return 0, nil
	case idInfo:
		return 0, s.takeInfo(e)
	case idTracks:
		return s.takeTracks(e)
	case idCluster:
		s.cluster, s.end = true, unknownSize
		if e.size != unknownSize {
			s.end = s.at + e.size
		}
		return 0, nil
	}
	return 0, s.skip(e.size)
}

// takeInner reads a child of a cluster.
func (s *Stream) takeInner(e element) (Event, error) {
	if s.end != unknownSize && e.size > s.end-min(s.at, s.end) {
		return 0, corrupt("element %x is longer than its cluster", e.id)
	}
	switch e.id {
	case idTimestamp:
		body, err := s.body(e, 8)
		if err != nil {
			return 0, err
		}
		ticks, ok := number(body)
		if !ok || ticks > 1<<60 || s.timed {
			return 0, corrupt("time of a cluster")
		}
		s.ticks, s.timed = ticks, true
		if s.Time, err = s.millis(0); err != nil {
			return 0, err
		}
		return ClusterOpens, nil
	case idSimpleBlock, idBlockGroup:
		if !s.timed {
			return 0, corrupt("a cluster whose frames come before its time")
		}
		body, err := s.body(e, maxBlock)
		if err != nil {
			return 0, err
		}
		return s.takeBlock(e.id, body)
	}
	return 0, s.skip(e.size)
}

// takeBlock reads a frame with the code that reads stored ones.
func (s *Stream) takeBlock(id uint32, body []byte) (Event, error) {
	var p Part
	var err error
	if id == idSimpleBlock {
		err = p.openBlock(body, false, false)
	} else {
		err = p.openGroup(body)
	}
	if err != nil || len(p.Frames) == 0 {
		return 0, err
	}
	s.Frame = p.Frames[0]
	s.Frame.At, err = s.millis(s.Frame.At) // until here in ticks, of the cluster's time
	return FrameComes, err
}

func (s *Stream) takeEBML(e element) error {
	body, err := s.body(e, 4096)
	if err != nil {
		return err
	}
	return each(body, func(e element) error {
		if e.id == idDocType && string(e.body) != "matroska" && string(e.body) != "webm" {
			return corrupt("a file of type %q", e.body)
		}
		return nil
	})
}

func (s *Stream) takeInfo(e element) error {
	body, err := s.body(e, maxHeadElement)
	if err != nil {
		return err
	}
	return each(body, func(e element) error {
		if e.id != idTimestampScale {
			return nil
		}
		n, ok := number(e.body)
		if !ok || n == 0 || n > 1_000_000_000 {
			return corrupt("timestamp scale")
		}
		s.scale = n
		return nil
	})
}

func (s *Stream) takeTracks(e element) (Event, error) {
	body, err := s.body(e, maxHeadElement)
	if err != nil {
		return 0, err
	}
	if s.Tracks, err = openTracks(body); err != nil {
		return 0, err
	}
	return TracksCome, nil
}

// millis is a time of the cluster in milliseconds; what would lie before 0 is 0.
func (s *Stream) millis(ticks int64) (int64, error) {
	at := s.ticks + uint64(ticks) // wraps around as it should
	if ticks < 0 && uint64(-ticks) > s.ticks {
		at = 0
	}
	high, low := bits.Mul64(at, s.scale)
	if high >= 1_000_000 {
		return 0, corrupt("time of a cluster")
	}
	ms, _ := bits.Div64(high, low, 1_000_000)
	if ms > 1<<53 {
		return 0, corrupt("time of a cluster")
	}
	return int64(ms), nil
}

// head reads the head of an element.
func (s *Stream) head() (e element, err error) {
	if s.held != nil {
		e, s.held = *s.held, nil
		return e, nil
	}
	n, err := s.width(0, 4, io.EOF)
	if err != nil {
		return e, err
	}
	m, err := s.width(n, 8, io.ErrUnexpectedEOF)
	if err != nil {
		return e, err
	}
	b, err := s.r.Peek(n + m)
	if err != nil {
		return e, ended(err, io.ErrUnexpectedEOF)
	}
	id, _ := readID(b)
	size, _ := readSize(b[n:])
	if _, err := s.r.Discard(n + m); err != nil {
		return e, err
	}
	s.at += uint64(n + m)
	return element{id: id, size: size}, nil
}

// width is how many bytes the number behind so many bytes takes, most at most.
// It waits for none that the number does not need: they may be long in coming.
func (s *Stream) width(behind, most int, end error) (int, error) {
	b, err := s.r.Peek(behind + 1)
	if err != nil {
		return 0, ended(err, end)
	}
	if n := bits.LeadingZeros8(b[behind]) + 1; n <= most {
		return n, nil
	}
	return 0, corrupt("element with a malformed head")
}

// ended is an error of reading, or what the end of what there is to read means.
func ended(err, end error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return end
	}
	return fmt.Errorf("read stream: %w", err)
}

// body reads the body of an element of at most so many bytes. It takes memory
// as the bytes come.
func (s *Stream) body(e element, most uint64) ([]byte, error) {
	if e.size > most {
		return nil, shardlog.Errorf(shardlog.LimitExceeded, "read stream", "element %x of %d bytes, at most %d are taken", e.id, e.size, most)
	}
	var b []byte
	for left := int(e.size); left > 0; {
		n := min(left, max(streamBuffer, len(b)))
		b = slices.Grow(b, n)
		if _, err := io.ReadFull(s.r, b[len(b):len(b)+n]); err != nil {
			return nil, ended(short(err), io.ErrUnexpectedEOF)
		}
		b, left = b[:len(b)+n], left-n
	}
	s.at += e.size
	return b, nil
}

// skip passes over a body.
func (s *Stream) skip(size uint64) error {
	for left := size; left > 0; {
		n, err := s.r.Discard(int(min(left, streamBuffer)))
		left -= uint64(n)
		if err != nil {
			return ended(err, io.ErrUnexpectedEOF)
		}
	}
	s.at += size
	return nil
}

// short makes of the two ends that io.ReadFull knows one.
func short(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}
