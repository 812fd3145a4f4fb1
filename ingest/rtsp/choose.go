package rtsp

import (
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"

	"headgate/ingest/chunk"
	"headgate/ingest/track"
)

// chosen is one media and the format of it that is taken.
type chosen struct {
	track.Format
	index  int // in the order of choice
	media  *description.Media
	form   format.Format
	tapped bool   // its packets come by UDP, in the clear
	number uint8  // of its track
	lost   uint64 // guarded by playing.mu: packets, as last counted

	ssrc  uint32        // guarded by playing.mu: of the latest packet
	heard bool          // guarded by playing.mu: there was one
	early *senderReport // guarded by playing.mu: came before any packet
}

// Patience is how long a missing packet is waited for: not long where none is
// late, and long enough for a wireless hop.
const (
	tcpPatience    = 20 * time.Millisecond
	udpPatience    = 300 * time.Millisecond
	secretPatience = 100 * time.Millisecond // gortsplib has put them in order
)

// choose takes the first picture and the first sound that can be recorded.
func choose(d *description.Session, udp bool) []*chosen {
	var all []*chosen
	have := map[bool]bool{}
	for _, m := range d.Medias {
		if m.IsBackChannel {
			continue
		}
		for _, form := range m.Formats {
			f, ok := describe(form)
			if !ok || have[f.Codec.Video()] {
				continue
			}
			have[f.Codec.Video()] = true
			one := &chosen{Format: f, index: len(all), media: m, form: form, tapped: udp && m.Profile != headers.TransportProfileSAVP}
			one.Renumbers = true
			switch {
			case one.tapped:
				one.Patience = udpPatience
			case udp:
				one.Patience = secretPatience
			default:
				one.Patience = tcpPatience
			}
			all = append(all, one)
			break
		}
	}
	return all
}

// describe is a format of a session description as package track knows it;
// false for one that is not recorded.
func describe(form format.Format) (track.Format, bool) {
	f := track.Format{Rate: form.ClockRate()}
	switch one := form.(type) {
	case *format.H264:
		f.Codec, f.Sets = chunk.H264, [][]byte{one.SPS, one.PPS}
	case *format.H265:
		f.Codec, f.Sets = chunk.H265, [][]byte{one.VPS, one.SPS, one.PPS}
	case *format.VP8:
		f.Codec = chunk.VP8
	case *format.VP9:
		f.Codec = chunk.VP9
	case *format.AV1:
		f.Codec = chunk.AV1
	case *format.Opus:
		f.Codec, f.Channels = chunk.Opus, one.ChannelCount
	case *format.G711:
		f.Codec, f.Channels, f.ALaw = chunk.G711, one.ChannelCount, !one.MULaw
	case *format.MPEG4Audio:
		if one.Config == nil || one.SizeLength != 13 {
			return f, false
		}
		config, err := one.Config.Marshal()
		if err != nil {
			return f, false
		}
		f.Codec, f.Channels, f.Config = chunk.AAC, int(one.Config.ChannelCount), config
	default:
		return f, false
	}
	return f, true
}
