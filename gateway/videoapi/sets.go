package videoapi

import (
	"encoding/binary"

	"headgate/ingest/chunk"
)

// sets are the parameter sets of a track that stand beside its frames, as
// frames have them: NAL units with four bytes of length. What is stored has
// them in every key frame (ingest/chunk/FORMAT.md), because live viewers and
// pictures of changing sizes need them there; producers send them once.
type sets struct {
	bytes []byte
	first byte // the type of the set without which there are none
	h265  bool
}

// setsOf reads a track's sets; none when it has none, or none that can be read.
func setsOf(t chunk.Track) (s sets) {
	rest, counts := t.Private, 0
	switch {
	case t.Codec == chunk.H264 && len(rest) > 6 && rest[4]&3 == 3:
		s.first = 7
		first, rest, ok := appendSets(nil, rest[6:], int(rest[5]&0x1f))
		if !ok || len(rest) == 0 {
			return sets{}
		}
		if s.bytes, _, ok = appendSets(first, rest[1:], int(rest[0])); !ok {
			return sets{}
		}
	case t.Codec == chunk.H265 && len(rest) > 22 && rest[21]&3 == 3:
		s.first, s.h265 = 33, true
		counts, rest = int(rest[22]), rest[23:]
		for ok := true; counts > 0; counts-- {
			if len(rest) < 3 {
				return sets{}
			}
			if s.bytes, rest, ok = appendSets(s.bytes, rest[3:], int(binary.BigEndian.Uint16(rest[1:]))); !ok {
				return sets{}
			}
		}
	}
	return s
}

// appendSets reads so many sets with two bytes of length.
func appendSets(b, from []byte, count int) (sets, rest []byte, ok bool) {
	for ; count > 0; count-- {
		if len(from) < 2 {
			return nil, nil, false
		}
		n := int(binary.BigEndian.Uint16(from))
		if from = from[2:]; n == 0 || n > len(from) {
			return nil, nil, false
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(n)), from[:n]...)
		from = from[n:]
	}
	return b, from, true
}

// in is a key frame with the sets in it.
func (s sets) in(frame []byte) []byte {
	if len(s.bytes) == 0 {
		return frame
	}
	for rest := frame; len(rest) > 4; {
		n := binary.BigEndian.Uint32(rest)
		if n == 0 || uint64(n) > uint64(len(rest)-4) {
			return frame // it is not of the form that it should have
		}
		if kind := rest[4] & 0x1f; !s.h265 && kind == s.first || s.h265 && rest[4]>>1&0x3f == s.first {
			return frame
		}
		rest = rest[4+n:]
	}
	return append(append(make([]byte, 0, len(s.bytes)+len(frame)), s.bytes...), frame...)
}
