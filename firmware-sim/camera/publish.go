package camera

import (
	"context"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"golang.org/x/sync/errgroup"
)

// publish runs one session. It returns without an error when the context ended
// or the script stopped it, and then says how long the camera stays away.
func (c *Camera) publish(ctx context.Context) (away time.Duration, err error) {
	s, err := c.open(ctx)
	if err != nil {
		return 0, err
	}
	if err := s.connect(ctx, c.conf.Endpoint); err != nil {
		_ = s.end(ctx)
		return 0, err
	}
	c.count(func(s *Stats) { s.Connected = true; s.Sessions++ })
	defer c.count(func(s *Stats) { s.Connected = false })
	if c.stepAt.IsZero() {
		c.stepAt = time.Now()
	}
	p := newPlayer(c, s)
	var listeners errgroup.Group
	for _, t := range []*track{s.video, s.audio} {
		if t != nil {
			listeners.Go(func() error { c.listen(t.sender, p.wanted); return nil })
		}
	}
	end, err := p.play(ctx)
	if end.Vanish {
		s.vanish()
	} else if endErr := s.end(ctx); endErr != nil && err == nil {
		c.failed(endErr) // the session is over all the same
	}
	_ = listeners.Wait()
	return end.Pause, err
}

// listen reads what the server reports of a track until the session is closed,
// and asks the player for a keyframe when the server does.
func (c *Camera) listen(sender *webrtc.RTPSender, wanted chan<- struct{}) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet := packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				c.count(func(s *Stats) { s.PLIs++ })
				select {
				case wanted <- struct{}{}:
				default: // one is wanted already
				}
			case *rtcp.TransportLayerNack:
				named := 0
				for _, pair := range packet.Nacks {
					named += len(pair.PacketList())
				}
				c.count(func(s *Stats) { s.NACKs++; s.Requested += int64(named) })
			}
		}
	}
}
