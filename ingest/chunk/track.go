package chunk

import "bytes"

// Codec is how frames of a track are coded, by its name in Matroska.
type Codec string

// The codecs.
const (
	H264 Codec = "V_MPEG4/ISO/AVC"
	H265 Codec = "V_MPEGH/ISO/HEVC"
	VP8  Codec = "V_VP8"
	VP9  Codec = "V_VP9"
	AV1  Codec = "V_AV1"
	Opus Codec = "A_OPUS"
	AAC  Codec = "A_AAC"
	G711 Codec = "A_MS/ACM" // A-law or µ-law: Private says which
	Text Codec = "S_TEXT/UTF8"
)

// Video reports whether the codec makes pictures.
func (c Codec) Video() bool { return len(c) > 0 && c[0] == 'V' }

// Audio reports whether the codec makes sound.
func (c Codec) Audio() bool { return len(c) > 0 && c[0] == 'A' }

// Name is what people call the codec.
func (c Codec) Name() string {
	switch c {
	case H264:
		return "H.264"
	case H265:
		return "H.265"
	case VP8, VP9, AV1, Opus, AAC:
		return string(c[2:])
	case G711:
		return "G.711"
	case Text:
		return "text"
	}
	return string(c)
}

// Numbers of the tracks of a camera.
const (
	VideoTrack     uint8 = 1
	AudioTrack     uint8 = 2
	TelemetryTrack uint8 = 3
)

// Track describes the frames of one track.
type Track struct {
	Number        uint8
	Codec         Codec
	Private       []byte // CodecPrivate: avcC, hvcC, av1C, OpusHead …; nil for VP8 and VP9
	Width, Height int    // pixels; zero for sound
	Rate          int    // samples a second; zero for pictures
	Channels      int
}

// Same reports whether two descriptions are the same.
func (t Track) Same(o Track) bool {
	return t.Number == o.Number && t.Codec == o.Codec && t.Width == o.Width && t.Height == o.Height &&
		t.Rate == o.Rate && t.Channels == o.Channels && bytes.Equal(t.Private, o.Private)
}

// SameTracks reports whether two sets of descriptions are the same.
func SameTracks(a, b []Track) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Same(b[i]) {
			return false
		}
	}
	return true
}
