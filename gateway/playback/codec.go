package playback

import (
	"context"
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// mp4Codec describes a clip's track as MP4 does.
func (p *Player) mp4Codec(ctx context.Context, footage *chunk.Footage, c *clip, t chunk.Track) (codecs.Codec, error) {
	if t.Codec != chunk.VP9 {
		return codecOf(t, nil)
	}
	for i, part := range c.parts {
		if !part.key {
			continue
		}
		frames, err := c.load(ctx, footage, i)
		if err != nil {
			return nil, err
		}
		return codecOf(t, frames)
	}
	return codecOf(t, nil)
}

// codecOf describes a track as MP4 does. VP9 is described by a key frame among
// frames. Kind Invalid: MP4 does not have the codec.
func codecOf(t chunk.Track, frames []chunk.Frame) (codecs.Codec, error) {
	switch t.Codec {
	case chunk.H264:
		return h264Of(t.Private)
	case chunk.H265:
		return h265Of(t.Private)
	case chunk.AV1:
		return av1Of(t.Private)
	case chunk.VP9:
		for _, f := range frames {
			var h vp9.Header
			if f.Track == t.Number && f.Key && h.Unmarshal(f.Data) == nil && h.ColorConfig != nil {
				return &codecs.VP9{Width: t.Width, Height: t.Height, Profile: h.Profile, BitDepth: h.ColorConfig.BitDepth,
					ChromaSubsampling: h.ChromaSubsampling(), ColorRange: h.ColorConfig.ColorRange}, nil
			}
		}
	case chunk.Opus:
		return &codecs.Opus{ChannelCount: max(1, t.Channels)}, nil
	case chunk.G711:
		return &codecs.LPCM{BitDepth: 16, SampleRate: t.Rate, ChannelCount: max(1, t.Channels)}, nil
	case chunk.AAC:
		var c mpeg4audio.AudioSpecificConfig
		if err := c.Unmarshal(t.Private); err == nil {
			return &codecs.MPEG4Audio{Config: c}, nil
		}
	}
	return nil, invalid("MP4 has no %s of this kind: ask for clip.webm or clip.mkv", t.Codec.Name())
}

// h264Of reads an avcC.
func h264Of(b []byte) (codecs.Codec, error) {
	sets := &codecs.H264{}
	if len(b) < 7 {
		return nil, damaged("avcC")
	}
	sps, rest, ok := prefixed(b[6:])
	if !ok || len(rest) < 1 {
		return nil, damaged("avcC")
	}
	pps, _, ok := prefixed(rest[1:])
	if !ok {
		return nil, damaged("avcC")
	}
	sets.SPS, sets.PPS = sps, pps
	return sets, nil
}

// h265Of reads an hvcC.
func h265Of(b []byte) (codecs.Codec, error) {
	sets := &codecs.H265{}
	if len(b) < 23 {
		return nil, damaged("hvcC")
	}
	rest := b[23:]
	for len(rest) >= 3 {
		kind := rest[0] & 0x3f
		set, after, ok := prefixed(rest[3:])
		if !ok {
			return nil, damaged("hvcC")
		}
		switch kind {
		case 32:
			sets.VPS = set
		case 33:
			sets.SPS = set
		case 34:
			sets.PPS = set
		}
		rest = after
	}
	if sets.VPS == nil || sets.SPS == nil || sets.PPS == nil {
		return nil, damaged("hvcC")
	}
	return sets, nil
}

// av1Of reads an av1C.
func av1Of(b []byte) (codecs.Codec, error) {
	var obus av1.Bitstream
	if len(b) < 5 || obus.Unmarshal(b[4:]) != nil || len(obus) == 0 {
		return nil, damaged("av1C")
	}
	return &codecs.AV1{SequenceHeader: obus[0]}, nil
}

// prefixed cuts what stands behind two bytes of length.
func prefixed(b []byte) (one, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > len(b)-2 {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

func damaged(what string) error {
	return shardlog.Errorf(shardlog.Corrupt, "play", "the description of the track (%s) cannot be read", what)
}
