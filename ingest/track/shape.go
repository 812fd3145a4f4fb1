package track

import (
	"bytes"
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// vp8Shape is VP8: a key frame tells its size (RFC 6386 §9.1).
type vp8Shape struct{ width, height int }

func (s *vp8Shape) config() (chunk.Track, bool) {
	return chunk.Track{Number: chunk.VideoTrack, Codec: chunk.VP8, Width: s.width, Height: s.height}, s.width > 0
}

func (s *vp8Shape) unit(frame []byte) (data []byte, key bool, err error) {
	if len(frame) == 0 {
		return nil, false, nil
	}
	if frame[0]&1 == 0 && len(frame) >= 10 && bytes.Equal(frame[3:6], []byte{0x9d, 0x01, 0x2a}) {
		key = true
		s.width = int(binary.LittleEndian.Uint16(frame[6:]) & 0x3fff)
		s.height = int(binary.LittleEndian.Uint16(frame[8:]) & 0x3fff)
	}
	return frame, key, nil
}

// vp9Shape is VP9.
type vp9Shape struct{ width, height int }

func (s *vp9Shape) config() (chunk.Track, bool) {
	return chunk.Track{Number: chunk.VideoTrack, Codec: chunk.VP9, Width: s.width, Height: s.height}, s.width > 0
}

func (s *vp9Shape) unit(frame []byte) (data []byte, key bool, err error) {
	var h vp9.Header
	if err := h.Unmarshal(frame); err != nil {
		return nil, false, shardlog.Errorf(shardlog.Invalid, "take frame", "VP9: %w", err)
	}
	if !h.NonKeyFrame && !h.ShowExistingFrame && h.FrameSize != nil {
		s.width, s.height, key = h.Width(), h.Height(), true
	}
	return frame, key, nil
}

// av1Shape is AV1, whose units are stored as OBUs with sizes and without
// temporal delimiters (AV1 in Matroska).
type av1Shape struct {
	header        []byte // the sequence header OBU
	width, height int
	private       []byte
}

func (s *av1Shape) config() (chunk.Track, bool) {
	return chunk.Track{Number: chunk.VideoTrack, Codec: chunk.AV1, Private: s.private, Width: s.width, Height: s.height}, s.width > 0
}

func (s *av1Shape) unit(obus [][]byte) (data []byte, key bool, err error) {
	var kept [][]byte
	for _, obu := range obus {
		if len(obu) == 0 {
			continue
		}
		switch av1.OBUType(obu[0] >> 3 & 0x0f) {
		case av1.OBUTypeTemporalDelimiter:
			continue
		case av1.OBUTypeSequenceHeader:
			key = true
			if err := s.sequence(obu); err != nil {
				return nil, false, err
			}
		}
		kept = append(kept, obu)
	}
	if len(kept) == 0 {
		return nil, false, nil
	}
	data, err = av1.Bitstream(kept).Marshal()
	return data, key, err
}

// sequence notes a sequence header.
func (s *av1Shape) sequence(obu []byte) error {
	if bytes.Equal(obu, s.header) {
		return nil
	}
	var h av1.SequenceHeader
	if err := h.Unmarshal(obu); err != nil {
		return shardlog.Errorf(shardlog.Invalid, "take frame", "AV1: %w", err)
	}
	sized, err := av1.Bitstream{obu}.Marshal()
	if err != nil {
		return shardlog.Errorf(shardlog.Invalid, "take frame", "AV1: %w", err)
	}
	var level, tier byte
	if len(h.SeqLevelIdx) > 0 {
		level = h.SeqLevelIdx[0]
	}
	if len(h.SeqTier) > 0 && h.SeqTier[0] {
		tier = 1
	}
	c := h.ColorConfig
	flags := tier<<7 | bit(c.BitDepth > 8)<<6 | bit(c.BitDepth == 12)<<5 | bit(c.MonoChrome)<<4 | bit(c.SubsamplingX)<<3 | bit(c.SubsamplingY)<<2 |
		byte(c.ChromaSamplePosition)
	s.header = bytes.Clone(obu)
	s.width, s.height = h.Width(), h.Height()
	s.private = append([]byte{0x81, h.SeqProfile<<5 | level, flags, 0}, sized...)
	return nil
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// sound describes a track of sound.
func sound(f Format) chunk.Track {
	t := chunk.Track{Number: chunk.AudioTrack, Codec: f.Codec, Rate: f.Rate, Channels: max(1, f.Channels)}
	switch f.Codec {
	case chunk.Opus: // RFC 7845 §5.1; nothing is skipped, so that times stay what they are
		t.Private = append([]byte("OpusHead\x01"), byte(t.Channels), 0, 0)
		t.Private = binary.LittleEndian.AppendUint32(t.Private, 48000)
		t.Private = append(t.Private, 0, 0, 0)
	case chunk.G711: // WAVEFORMATEX
		tag := uint16(7)
		if f.ALaw {
			tag = 6
		}
		t.Private = binary.LittleEndian.AppendUint16(nil, tag)
		t.Private = binary.LittleEndian.AppendUint16(t.Private, uint16(t.Channels))
		t.Private = binary.LittleEndian.AppendUint32(t.Private, uint32(f.Rate))
		t.Private = binary.LittleEndian.AppendUint32(t.Private, uint32(f.Rate*t.Channels))
		t.Private = binary.LittleEndian.AppendUint16(t.Private, uint16(t.Channels))
		t.Private = append(t.Private, 8, 0, 0, 0)
	case chunk.AAC:
		t.Private = f.Config
	}
	return t
}
