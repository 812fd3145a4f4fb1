package camera

import (
	"context"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp/codecs"
)

const (
	reportTime = time.Second // between sender reports; the first come with the first packets
	lateTime   = time.Second // a camera that is later than this leaves frames out
)

// player sends the media of one session, each frame at its time. Times are on a
// grid that begins at the full second before the session, so that a frame and a
// packet of sound begin exactly at each full second.
type player struct {
	camera    *Camera
	session   *session
	generator *Generator
	payloader codecs.H264Payloader
	wanted    chan struct{} // of one place: a keyframe is wanted

	origin   time.Time // a full second, on the monotonic clock too
	frame    int64     // the next frame since the origin
	packet   int64     // the next packet of sound
	reportAt time.Time
}

func newPlayer(c *Camera, s *session) *player {
	now := time.Now()
	since := now.Sub(now.Truncate(time.Second))
	return &player{
		camera: c, session: s, generator: NewGenerator(c.video), wanted: make(chan struct{}, 1),
		origin: now.Add(-since), frame: int64(since)*int64(c.video.FPS)/int64(time.Second) + 1, packet: int64(since/packetTime) + 1,
		reportAt: now,
	}
}

// play sends until the context ends, the server goes or a step stops it; that
// step is returned.
func (p *player) play(ctx context.Context) (Step, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return Step{}, nil
		case <-p.session.gone:
			return Step{}, errGone
		case <-timer.C:
		}
		now := time.Now()
		if end := p.steps(now); end.Stop || end.Vanish {
			return end, nil
		}
		if err := p.send(now); err != nil {
			return Step{}, err
		}
		timer.Reset(time.Until(p.due()))
	}
}

// frameAt and packetAt are when frame and packet of sound are due.
func (p *player) frameAt() time.Time {
	return p.origin.Add(time.Duration(p.frame) * time.Second / time.Duration(p.camera.video.FPS))
}

func (p *player) packetAt() time.Time { return p.origin.Add(time.Duration(p.packet) * packetTime) }

// due is when there is something to do next.
func (p *player) due() time.Time {
	next := p.reportAt
	if p.session.video != nil && p.frameAt().Before(next) {
		next = p.frameAt()
	}
	if p.session.audio != nil && p.packetAt().Before(next) {
		next = p.packetAt()
	}
	if steps := p.camera.script; len(steps) > 0 {
		if at := p.camera.stepAt.Add(steps[0].After); at.Before(next) {
			next = at
		}
	}
	return next
}

// steps does the steps of the script that are due, up to one that ends the session.
func (p *player) steps(now time.Time) Step {
	c := p.camera
	for len(c.script) > 0 && !now.Before(c.stepAt.Add(c.script[0].After)) {
		step := c.script[0]
		c.script, c.stepAt = c.script[1:], c.stepAt.Add(step.After)
		if step.Width != 0 {
			c.video.Width, c.video.Height = step.Width, step.Height
			p.generator = NewGenerator(c.video)
		}
		if step.Loss != nil {
			c.way.set(*step.Loss)
		}
		if step.Mute != nil {
			c.muted = *step.Mute
		}
		if step.Stop || step.Vanish {
			return step
		}
	}
	return Step{}
}

// send sends all that is due.
func (p *player) send(now time.Time) error {
	if late := now.Sub(p.frameAt()); late > lateTime {
		p.frame += int64(late) * int64(p.camera.video.FPS) / int64(time.Second)
	}
	for p.session.video != nil && !now.Before(p.frameAt()) {
		if err := p.sendFrame(); err != nil {
			return err
		}
	}
	if late := now.Sub(p.packetAt()); late > lateTime {
		p.packet += int64(late / packetTime)
	}
	for p.session.audio != nil && !now.Before(p.packetAt()) {
		if err := p.sendSound(); err != nil {
			return err
		}
	}
	if now.Before(p.reportAt) {
		return nil
	}
	p.reportAt = now.Add(reportTime)
	return p.report()
}

func (p *player) sendFrame() error {
	c, at := p.camera, p.frameAt()
	key := false
	select {
	case <-p.wanted:
		key = true
	default:
	}
	unit, key := p.generator.Frame(c.number, at.Sub(p.origin)%time.Second < beepTime, key)
	payloads := p.payloader.Payload(packetSize, unit)
	timestamp := p.session.video.base + uint32(p.frame*videoRate/int64(c.video.FPS))
	if err := p.session.video.send(payloads, timestamp, true); err != nil {
		return err
	}
	c.remember(Frame{Number: c.number, UnixMilli: at.UnixMilli(), Key: key, Bytes: len(unit), Width: c.video.Width, Height: c.video.Height}, len(payloads))
	c.number++
	p.frame++
	return nil
}

func (p *player) sendSound() error {
	c, since := p.camera, p.packetAt().Sub(p.origin)
	timestamp := p.session.audio.base + uint32(p.packet*int64(p.session.audio.rate)*int64(packetTime)/int64(time.Second))
	p.packet++
	if c.muted {
		return nil
	}
	if err := p.session.audio.send([][]byte{c.conf.Audio.packet(since % time.Second)}, timestamp, false); err != nil {
		return err
	}
	c.count(func(s *Stats) { s.AudioPackets++ })
	return nil
}

// report sends the sender reports of both tracks.
func (p *player) report() error {
	now := time.Now()
	var reports []rtcp.Packet
	for _, t := range []*track{p.session.video, p.session.audio} {
		if t != nil {
			reports = append(reports, t.report(p.origin, now))
		}
	}
	return p.session.pc.WriteRTCP(reports)
}
