package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"headgate/ingest/track"
	"headgate/shardlog"
)

// playing is one session with a camera.
type playing struct {
	*Camera
	client  *gortsplib.Client
	host    string // of the camera's address
	takes   []*chosen
	setting *chosen                     // which of them listen is for; owned by open
	write   func(i int, p track.Packet) // to viewers; nil: none
	end     func()

	mu      sync.Mutex
	session track.Session // guarded by mu
	last    time.Time     // guarded by mu: a packet came
}

// senderReport is what a camera says of its clock.
type senderReport struct {
	*rtcp.SenderReport
	at time.Time
}

// play plays the camera once, until something ends it.
func (c *Camera) play(ctx context.Context) error {
	c.mu.Lock()
	c.stats.Tries++
	c.mu.Unlock()
	address, err := c.address()
	if err != nil {
		return err
	}
	p := &playing{Camera: c, host: address.Hostname()}
	p.session.Sink = c.Sink
	transport := gortsplib.ProtocolTCP
	if c.UDP {
		transport = gortsplib.ProtocolUDP
	}
	p.client = &gortsplib.Client{Scheme: address.Scheme, Host: address.Host, Protocol: &transport, UserAgent: "headgate", DialContext: p.dial, ListenPacket: p.listen,
		TLSConfig:     &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, // cameras sign their certificates themselves
		OnPacketsLost: func(uint64) {}, OnDecodeError: func(error) {}}
	if err := p.client.Start(); err != nil {
		return err
	}
	stop := p.stopper(ctx)
	if err = p.open(address); err == nil {
		err = p.follow(ctx)
	}
	stop() // from here on nothing comes any more
	if p.end != nil {
		p.end()
	}
	p.count()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session.End(reason(ctx, err), c.now())
	return err
}

// stopper closes the client when ctx ends, or when it is called.
func (p *playing) stopper(ctx context.Context) (stop func()) {
	closed := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() { p.client.Close(); close(closed) })
	return func() {
		if unwatch() {
			p.client.Close()
			return
		}
		<-closed
	}
}

// address is the camera's with its credentials.
func (c *Camera) address() (*base.URL, error) {
	u, err := base.ParseURL(c.URL)
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "fetch camera", "its address cannot be read")
	}
	if c.Username == "" {
		return u, nil
	}
	secret := ""
	if c.Password != nil {
		if secret, err = c.Password(); err != nil {
			return nil, err
		}
	}
	u.User = url.UserPassword(c.Username, secret)
	return u, nil
}

// open describes the camera, chooses what is taken, and starts it.
func (p *playing) open(address *base.URL) error {
	d, _, err := p.client.Describe(address)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	p.takes = choose(d, p.UDP)
	if len(p.takes) == 0 {
		return shardlog.Errorf(shardlog.Invalid, "fetch camera", "it has no picture and no sound that can be recorded")
	}
	p.session.Expect = len(p.takes)
	var formats []track.Format
	for _, c := range p.takes {
		if c.number, err = p.session.Add(c.Format); err != nil {
			return err
		}
		formats = append(formats, c.Format)
		p.setting = c
		if _, err := p.client.Setup(d.BaseURL, c.media, 0, 0); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
		if !c.tapped {
			p.client.OnPacketRTP(c.media, c.form, func(packet *rtp.Packet) { p.take(c, packet) })
		}
	}
	p.client.OnPacketRTCPAny(p.report)
	if p.Live != nil {
		if p.write, p.end, err = p.Live(p.Name, formats); err != nil {
			p.write, p.end = nil, nil // it is recorded all the same
		}
	}
	p.last = time.Now()
	if _, err := p.client.Play(nil); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	p.Camera.mu.Lock()
	defer p.Camera.mu.Unlock()
	p.stats.Playing, p.stats.Since, p.stats.Fault = true, time.Now(), ""
	return nil
}

// take takes one packet, whose bytes it keeps: each has its own.
func (p *playing) take(c *chosen, packet *rtp.Packet) {
	one := track.Packet{Sequence: packet.SequenceNumber, Time: packet.Timestamp, Marker: packet.Marker, Payload: packet.Payload}
	if p.write != nil {
		p.write(c.index, one)
	}
	p.Camera.mu.Lock()
	p.stats.Packets++
	p.Camera.mu.Unlock()
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, c.ssrc, c.heard = time.Now(), packet.SSRC, true
	p.session.Push(c.number, one, now)
	if r := c.early; r != nil {
		c.early = nil
		if r.SSRC == c.ssrc {
			p.session.Report(c.number, r.NTPTime, r.RTPTime, r.at)
		}
	}
}

// report takes what the camera says of its clock. gortsplib calls it. A report
// of another sender's than the packets' would date the footage by hours.
func (p *playing) report(media *description.Media, packet rtcp.Packet) {
	r, ok := packet.(*rtcp.SenderReport)
	if !ok {
		return
	}
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.takes {
		switch {
		case c.media != media:
		case !c.heard:
			c.early = &senderReport{r, now}
		case c.ssrc == r.SSRC:
			p.session.Report(c.number, r.NTPTime, r.RTPTime, now)
		}
	}
}

// count adds the packets that never came since it was called before.
func (p *playing) count() {
	p.mu.Lock()
	more := uint64(0)
	for _, c := range p.takes {
		if t := p.session.Track(c.number); t != nil {
			more += t.Lost() - c.lost
			c.lost = t.Lost()
		}
	}
	p.mu.Unlock()
	p.Camera.mu.Lock()
	defer p.Camera.mu.Unlock()
	p.stats.Lost += more
}

// tickTime is how often what is waited for is looked at.
const tickTime = 50 * time.Millisecond

// follow waits for the session's end.
func (p *playing) follow(ctx context.Context) error {
	stall := p.Stall
	if stall == 0 {
		stall = 10 * time.Second
	}
	ended := make(chan error, 1)
	go func() { ended <- p.client.Wait() }() // ends with the client, which play closes
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			var tcp liberrors.ErrClientTCPTimeout
			var udp liberrors.ErrClientUDPTimeout
			if errors.As(err, &tcp) || errors.As(err, &udp) {
				return errStalled
			}
			return fmt.Errorf("the camera ended it: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		p.mu.Lock()
		p.session.Tick(p.now())
		silent := time.Since(p.last) > stall
		p.mu.Unlock()
		p.count()
		if silent {
			return errStalled
		}
	}
}
