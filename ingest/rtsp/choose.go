package rtsp

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"

	"headgate/ingest/chunk"
	"headgate/ingest/track"
	"headgate/shardlog"
)

// choose takes the first picture and the first sound that can be recorded.
func choose(d *description.Session, udp bool) []chosen {
	var all []chosen
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
			f.Patience = 20 * time.Millisecond // gortsplib has put them in order
			if udp {
				f.Patience = 100 * time.Millisecond
			}
			all = append(all, chosen{m, form, f})
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

// dial reaches a camera, and nothing that no camera is: addresses of whole
// networks, of the link (where clouds keep credentials), and this box.
func (c *Camera) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for _, ip := range all {
		if err = c.mayReach(ip.Unmap()); err != nil {
			continue
		}
		conn, e := d.DialContext(ctx, network, net.JoinHostPort(ip.Unmap().String(), port))
		if e == nil {
			return conn, nil
		}
		err = e
	}
	return nil, err
}

func (c *Camera) mayReach(ip netip.Addr) error {
	if ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || ip.IsLoopback() && !c.Loopback {
		return shardlog.Errorf(shardlog.Denied, "fetch camera", "%v is no camera's address", ip)
	}
	return nil
}
