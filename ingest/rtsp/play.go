package rtsp

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"headgate/ingest/track"
	"headgate/shardlog"
)

// playing is one session with a camera.
type playing struct {
	*Camera
	client *gortsplib.Client
	write  func(i int, p track.Packet) // to viewers; nil: none
	end    func()

	mu      sync.Mutex
	session track.Session                 // guarded by mu
	numbers map[*description.Media]uint8  // of tracks; written before Play
	ssrcs   map[*description.Media]uint32 // guarded by mu: of the latest packet
	last    time.Time                     // guarded by mu: a packet came
}

// chosen is one media and the format of it that is taken.
type chosen struct {
	media *description.Media
	form  format.Format
	track.Format
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
	p := &playing{Camera: c, numbers: map[*description.Media]uint8{}, ssrcs: map[*description.Media]uint32{}}
	transport := gortsplib.ProtocolTCP
	if c.UDP {
		transport = gortsplib.ProtocolUDP
	}
	p.client = &gortsplib.Client{Scheme: address.Scheme, Host: address.Host, Protocol: &transport, UserAgent: "headgate", DialContext: c.dial,
		TLSConfig:     &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, // cameras sign their certificates themselves
		OnPacketsLost: func(uint64) {}, OnDecodeError: func(error) {}}
	if err := p.client.Start(); err != nil {
		return err
	}
	closed := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() { p.client.Close(); close(closed) })
	defer func() {
		if unwatch() {
			p.client.Close()
		} else {
			<-closed
		}
	}()
	if err := p.open(address); err != nil {
		return err
	}
	if p.end != nil {
		defer p.end()
	}
	err = p.follow(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session.End(reason(ctx, err), c.now())
	return err
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
	takes := choose(d, p.UDP)
	if len(takes) == 0 {
		return shardlog.Errorf(shardlog.Invalid, "fetch camera", "it has no picture and no sound that can be recorded")
	}
	p.session.Sink, p.session.Expect = p.Sink, len(takes)
	var formats []track.Format
	for i, t := range takes {
		number, err := p.session.Add(t.Format)
		if err != nil {
			return err
		}
		p.numbers[t.media] = number
		formats = append(formats, t.Format)
		if _, err := p.client.Setup(d.BaseURL, t.media, 0, 0); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
		p.client.OnPacketRTP(t.media, t.form, func(packet *rtp.Packet) { p.take(i, t.media, packet) })
	}
	p.client.OnPacketRTCPAny(p.report)
	if p.Live != nil {
		if p.write, p.end, err = p.Live(p.Name, formats); err != nil {
			p.write = nil // it is recorded all the same
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

// take takes one packet. gortsplib calls it.
func (p *playing) take(i int, media *description.Media, packet *rtp.Packet) {
	one := track.Packet{Sequence: packet.SequenceNumber, Time: packet.Timestamp, Marker: packet.Marker, Payload: bytes.Clone(packet.Payload)}
	if p.write != nil {
		p.write(i, one)
	}
	p.Camera.mu.Lock()
	p.stats.Packets++
	p.Camera.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.ssrcs[media] = time.Now(), packet.SSRC
	p.session.Push(p.numbers[media], one, p.now())
}

// report takes what the camera says of its clock. gortsplib calls it.
func (p *playing) report(media *description.Media, packet rtcp.Packet) {
	r, ok := packet.(*rtcp.SenderReport)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ssrc, known := p.ssrcs[media]; known && ssrc != r.SSRC {
		return
	}
	p.session.Report(p.numbers[media], r.NTPTime, r.RTPTime, p.now())
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
			return fmt.Errorf("the camera ended it: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		p.mu.Lock()
		p.session.Tick(p.now())
		silent := time.Since(p.last) > stall
		p.mu.Unlock()
		if silent {
			return errStalled
		}
	}
}
