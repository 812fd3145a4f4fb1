package rtsp

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"headgate/shardlog"
)

// dial reaches a camera, and nothing that no camera is. gortsplib dials again
// when a camera sends it elsewhere: not with credentials that are for that
// camera alone.
func (p *playing) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if p.Username != "" && host != p.host {
		return nil, shardlog.Errorf(shardlog.Denied, "fetch camera", "it sends elsewhere, where its credentials must not go")
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	err = shardlog.Errorf(shardlog.Unavailable, "fetch camera", "%s has no address", host)
	for _, ip := range all {
		if err = p.mayReach(ip.Unmap()); err != nil {
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

// mayReach says whether a camera may be at an address: not at those of whole
// networks, nor of the link (where clouds keep credentials), nor on this box.
func (c *Camera) mayReach(ip netip.Addr) error {
	if ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || ip.IsLoopback() && !c.Loopback {
		return shardlog.Errorf(shardlog.Denied, "fetch camera", "%v is no camera's address", ip)
	}
	if c.Allowed != nil && !c.Allowed(ip) {
		return shardlog.Errorf(shardlog.Denied, "fetch camera", "%v is not allowed", ip)
	}
	return nil
}

// listen opens a socket for the media that is being set up. gortsplib calls it,
// for an even port for packets and the next one for reports.
func (p *playing) listen(network, address string) (net.PacketConn, error) {
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	s := &socket{UDPConn: conn.(*net.UDPConn), mayReach: p.mayReach}
	if local := s.LocalAddr().(*net.UDPAddr); local.Port%2 == 0 && p.setting.tapped {
		s.take = p.tap(p.setting)
	}
	_ = s.SetReadBuffer(socketBuffer) // as much as the kernel gives
	return s, nil
}

// socketBuffer holds a key frame that comes at once.
const socketBuffer = 1 << 20

// socket is where a media comes by UDP. A camera names the address that it
// sends from and that reports go to, so that is checked. Packets are taken here
// and not from gortsplib, which holds all that come after a missing one until
// it has 64: seconds of sound.
type socket struct {
	*net.UDPConn
	mayReach func(netip.Addr) error
	take     func(packet []byte)            // keeps no bytes; nil: gortsplib's alone
	peer     atomic.Pointer[netip.AddrPort] // what the camera sends from: gortsplib writes there first
}

// WriteTo sends to where a camera may be.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	peer := plain(to)
	if err := s.mayReach(peer.Addr()); err != nil {
		return 0, err
	}
	s.peer.Store(&peer)
	return s.UDPConn.WriteTo(b, to)
}

// ReadFrom reads a packet, and takes it when the camera has sent it.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.UDPConn.ReadFrom(b)
	if err != nil || s.take == nil {
		return n, from, err
	}
	if peer := s.peer.Load(); peer != nil && plain(from) == *peer {
		s.take(b[:n])
	}
	return n, from, err
}

func plain(a net.Addr) netip.AddrPort {
	p := a.(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// tap takes the packets of one media as they come.
func (p *playing) tap(c *chosen) func([]byte) {
	return func(b []byte) {
		var packet rtp.Packet
		if err := packet.Unmarshal(append([]byte(nil), b...)); err == nil && packet.PayloadType == c.form.PayloadType() {
			p.take(c, &packet)
		}
	}
}
