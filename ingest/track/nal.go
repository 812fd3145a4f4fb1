package track

import (
	"bytes"
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// nals is H.264 or H.265: units are NAL units with their lengths in front.
// Parameter sets stay in band; those that the session description alone
// carries go in front of key frames.
type nals struct {
	family family
	sets   [][]byte // the latest of each kind
	track  chunk.Track
}

// family is what differs between the two codecs.
type family struct {
	codec    chunk.Codec
	kinds    []byte // of parameter sets, in their order
	kind     func(nal []byte) byte
	skip     func(kind byte) bool
	key      func(au [][]byte) bool
	describe func(sets [][]byte) (private []byte, width, height int, err error)
}

// h264Sets and h265Sets make the families: H.264's parameter sets are SPS and
// PPS, H.265's VPS, SPS and PPS.
func h264Sets() family {
	return family{
		codec: chunk.H264, kinds: []byte{7, 8},
		kind:     func(nal []byte) byte { return nal[0] & 0x1f },
		skip:     func(kind byte) bool { return kind == 9 || kind == 12 },
		key:      h264.IsRandomAccess,
		describe: describeH264,
	}
}

func h265Sets() family {
	return family{
		codec: chunk.H265, kinds: []byte{32, 33, 34},
		kind:     func(nal []byte) byte { return nal[0] >> 1 & 0x3f },
		skip:     func(kind byte) bool { return kind == 35 || kind == 38 },
		key:      h265.IsRandomAccess,
		describe: describeH265,
	}
}

func newNALs(f Format, of family) *nals {
	n := &nals{family: of}
	n.sets = n.blank()
	for _, set := range f.Sets {
		n.note(set)
	}
	n.describe()
	return n
}

func (n *nals) blank() [][]byte { return make([][]byte, len(n.family.kinds)) }

func (n *nals) config() (chunk.Track, bool) { return n.track, n.track.Width > 0 }

// note keeps a parameter set; changed says that it is another than before.
func (n *nals) note(nal []byte) (changed bool) {
	if len(nal) < 3 {
		return false
	}
	i := bytes.IndexByte(n.family.kinds, n.family.kind(nal))
	if i < 0 || bytes.Equal(n.sets[i], nal) {
		return false
	}
	n.sets[i] = bytes.Clone(nal)
	return true
}

// describe makes the track's description of the parameter sets, if all are there.
func (n *nals) describe() {
	for _, set := range n.sets {
		if set == nil {
			return
		}
	}
	private, width, height, err := n.family.describe(n.sets)
	if err != nil {
		return
	}
	n.track = chunk.Track{Number: chunk.VideoTrack, Codec: n.family.codec, Private: private, Width: width, Height: height}
}

func (n *nals) unit(au [][]byte) (data []byte, key bool, err error) {
	var kept [][]byte
	changed, has := false, n.blank()
	for _, nal := range au {
		if len(nal) == 0 || n.family.skip(n.family.kind(nal)) {
			continue
		}
		if i := bytes.IndexByte(n.family.kinds, n.family.kind(nal)); i >= 0 {
			has[i] = nal
			changed = n.note(nal) || changed
		}
		kept = append(kept, nal)
	}
	if changed {
		n.describe()
	}
	if len(kept) == 0 {
		return nil, false, nil
	}
	key = n.family.key(kept) && n.track.Width > 0
	if key {
		kept = append(n.absent(has), kept...)
	}
	return lengths(kept), key, nil
}

// absent are the parameter sets that a key frame does not carry itself.
func (n *nals) absent(has [][]byte) [][]byte {
	var all [][]byte
	for i, set := range n.sets {
		if has[i] == nil {
			all = append(all, set)
		}
	}
	return all
}

// lengths writes NAL units with four bytes of length before each.
func lengths(all [][]byte) []byte {
	size := 0
	for _, nal := range all {
		size += 4 + len(nal)
	}
	b := make([]byte, 0, size)
	for _, nal := range all {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(nal))), nal...)
	}
	return b
}

// describeH264 makes the avcC of SPS and PPS (ISO/IEC 14496-15 §5.3.3.1).
func describeH264(sets [][]byte) (private []byte, width, height int, err error) {
	sps, pps := sets[0], sets[1]
	var s h264.SPS
	if err := s.Unmarshal(sps); err != nil || len(sps) < 4 {
		return nil, 0, 0, shardlog.Errorf(shardlog.Invalid, "take frame", "H.264: %w", err)
	}
	b := []byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1}
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(sps))), sps...)
	b = append(b, 1)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(pps))), pps...)
	if profile := sps[1]; profile == 100 || profile == 110 || profile == 122 || profile == 144 {
		b = append(b, 0xfc|byte(s.ChromaFormatIdc), 0xf8|byte(s.BitDepthLumaMinus8), 0xf8|byte(s.BitDepthChromaMinus8), 0)
	}
	return b, s.Width(), s.Height(), nil
}

// describeH265 makes the hvcC of VPS, SPS and PPS (ISO/IEC 14496-15 §8.3.3.1).
func describeH265(sets [][]byte) (private []byte, width, height int, err error) {
	var s h265.SPS
	if err := s.Unmarshal(sets[1]); err != nil {
		return nil, 0, 0, shardlog.Errorf(shardlog.Invalid, "take frame", "H.265: %w", err)
	}
	plain := h264.EmulationPreventionRemove(sets[1])
	if len(plain) < 15 {
		return nil, 0, 0, shardlog.Errorf(shardlog.Invalid, "take frame", "H.265: SPS of %d bytes", len(plain))
	}
	b := append([]byte{1}, plain[3:15]...) // general profile, tier and level
	b = append(b, 0xf0, 0, 0xfc, 0xfc|byte(s.ChromaFormatIdc), 0xf8|byte(s.BitDepthLumaMinus8), 0xf8|byte(s.BitDepthChromaMinus8), 0, 0)
	layers := plain[2]>>1&0x07 + 1
	b = append(b, layers<<3|plain[2]&1<<2|3, byte(len(sets)))
	for i, kind := range []byte{32, 33, 34} {
		b = append(b, 0x80|kind, 0, 1)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(sets[i]))), sets[i]...)
	}
	return b, s.Width(), s.Height(), nil
}
