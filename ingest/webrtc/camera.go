package webrtc

import (
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// camera is the live side of one camera: what it sends now, and who watches.
type camera struct {
	name shardlog.StreamName
	now  func() time.Time

	mu      sync.Mutex
	source  any                              // guarded by mu: who sends now, nil: nobody
	ask     func()                           // guarded by mu: asks the source for a key frame
	end     func(chunk.Reason)               // guarded by mu: ends the source, because another takes its place
	outlets map[webrtc.RTPCodecType]*outlet  // guarded by mu
	viewers map[*session]webrtc.RTPCodecType // guarded by mu: live ones
	since   time.Time                        // guarded by mu: when the source went, or came
	expect  int                              // guarded by mu: tracks that the source said it would send
	present map[webrtc.RTPCodecType]bool     // guarded by mu: those that it sends
}

// take makes a source the camera's, which will send so many tracks; the one
// before is ended. It reports false when that is fetched and source publishes.
func (c *camera) take(source any, tracks int, ask func(), end func(chunk.Reason)) bool {
	c.mu.Lock()
	if _, publishes := source.(*session); publishes && c.isFed() {
		c.mu.Unlock()
		return false
	}
	before := c.end
	c.source, c.ask, c.end = source, ask, end
	c.expect, c.present, c.since = tracks, map[webrtc.RTPCodecType]bool{}, c.now()
	c.mu.Unlock()
	if before != nil {
		before(chunk.Left)
	}
	return true
}

// leave takes note that a source has gone.
func (c *camera) leave(source any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source == source {
		c.source, c.ask, c.end, c.since = nil, nil, nil, c.now()
	}
}

// live reports whether somebody sends.
func (c *camera) live() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source != nil && len(c.present) > 0
}

// fed reports whether what it sends comes in by another door (Feed).
func (c *camera) fed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isFed()
}

// isFed is called with mu held.
func (c *camera) isFed() bool {
	_, published := c.source.(*session)
	return c.source != nil && !published
}

// startTime is how long a source may take until all its tracks send.
const startTime = 2 * time.Second

// starting reports whether tracks of the source are still to come.
func (c *camera) starting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source != nil && len(c.present) < c.expect && c.now().Sub(c.since) < startTime
}

// gone reports whether nobody has sent for so long.
func (c *camera) gone(long time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source == nil && c.now().Sub(c.since) > long
}

// keyframe asks the source for one.
func (c *camera) keyframe() {
	c.mu.Lock()
	ask := c.ask
	c.mu.Unlock()
	if ask != nil {
		ask()
	}
}

// outlet is the way of one track to those who watch. A source that follows
// with the same codec goes on where the one before stopped; with another codec
// the viewers have to come again.
func (c *camera) outlet(kind webrtc.RTPCodecType, codec webrtc.RTPCodecCapability) (*outlet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.present != nil {
		c.present[kind] = true
	}
	if o := c.outlets[kind]; o != nil && sameCodec(o.local.Codec(), codec) {
		return o, nil
	}
	local, err := webrtc.NewTrackLocalStaticRTP(codec, kind.String(), string(c.name))
	if err != nil {
		return nil, err
	}
	if c.outlets == nil {
		c.outlets = map[webrtc.RTPCodecType]*outlet{}
	}
	if c.outlets[kind] != nil {
		for v := range c.viewers {
			v.endSoon(chunk.Changed)
		}
	}
	o := &outlet{local: local, rate: codec.ClockRate}
	c.outlets[kind] = o
	return o, nil
}

func sameCodec(a, b webrtc.RTPCodecCapability) bool {
	return strings.EqualFold(a.MimeType, b.MimeType) && a.SDPFmtpLine == b.SDPFmtpLine && a.ClockRate == b.ClockRate
}

// all are the outlets, sound first.
func (c *camera) all() []*outlet {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*outlet
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if o := c.outlets[kind]; o != nil && c.present[kind] {
			all = append(all, o)
		}
	}
	return all
}

func (c *camera) join(v *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.viewers == nil {
		c.viewers = map[*session]webrtc.RTPCodecType{}
	}
	c.viewers[v] = 0
}

func (c *camera) part(v *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.viewers, v)
}

// shows reports whether a viewer sees what the camera sends now.
func (c *camera) shows(v *session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, live := c.viewers[v]
	return live
}

func (c *camera) watching() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.viewers)
}

// outlet forwards packets to all viewers of a track, numbered so that a change
// of the source, or a probe left out, is no hole to them.
type outlet struct {
	local *webrtc.TrackLocalStaticRTP
	rate  uint32

	mu       sync.Mutex
	source   any       // guarded by mu
	seq      uint16    // guarded by mu: to add to the source's
	stamp    uint32    // guarded by mu: to add to the source's
	newest   uint16    // guarded by mu: of the source's
	probes   []uint16  // guarded by mu: the source's numbers that were left out
	lastTime uint32    // guarded by mu: sent
	at       time.Time // guarded by mu
}

// lateness is how many numbers behind the newest a packet may come and still
// get its own.
const lateness = 1024

// write sends one packet on. Its payload is only read.
func (o *outlet) write(source any, h rtp.Header, payload []byte, now time.Time) error {
	out, forward := o.number(source, h, len(payload) == 0, now)
	if !forward {
		return nil
	}
	return o.local.WriteRTP(&rtp.Packet{Header: out, Payload: payload})
}

// number is the header that viewers see; forward is false for a probe, whose
// number the next packet gets. A probe that is overtaken is sent on: its number
// has been left free.
func (o *outlet) number(source any, h rtp.Header, probe bool, now time.Time) (out rtp.Header, forward bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.source != source {
		if o.source != nil {
			o.seq += o.newest + 1 - h.SequenceNumber
			o.stamp = o.lastTime + uint32(now.Sub(o.at).Seconds()*float64(o.rate)) + 1 - h.Timestamp
		}
		o.source, o.probes = source, nil
		o.newest, o.lastTime, o.at = h.SequenceNumber-1, h.Timestamp+o.stamp, now
	}
	newer := int16(h.SequenceNumber-o.newest) > 0
	if newer {
		o.newest = h.SequenceNumber
		for len(o.probes) > 0 && o.newest-o.probes[0] > lateness {
			o.probes = o.probes[1:]
		}
		if probe {
			o.seq--
			o.probes = append(o.probes, h.SequenceNumber)
			return out, false
		}
		o.lastTime, o.at = h.Timestamp+o.stamp, now
	}
	out = rtp.Header{Version: 2, Marker: h.Marker, SequenceNumber: h.SequenceNumber + o.seq, Timestamp: h.Timestamp + o.stamp}
	for i := len(o.probes) - 1; i >= 0 && !newer; i-- { // those behind a late packet do not count for it
		if int16(o.probes[i]-h.SequenceNumber) > 0 {
			out.SequenceNumber++
		}
	}
	return out, true
}
