// Package track makes frames of RTP: it puts the packets of one track in
// order, joins them to access units in the form in which parts store them, and
// gives each the time at which the gateway would have seen it. It is pure:
// packets, sender reports and the time are handed in. It knows no network.
package track

import (
	"time"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// Packet is one RTP packet, header extensions and padding removed. The track
// keeps the payload.
type Packet struct {
	Sequence uint16
	Time     uint32
	Marker   bool
	Payload  []byte
}

// Format says how a track is coded, as its session description tells.
type Format struct {
	Codec    chunk.Codec
	Rate     int      // ticks of RTP time a second
	Channels int      // of sound
	ALaw     bool     // of G.711
	Sets     [][]byte // parameter sets of H.264 and H.265 that the description carries
	Config   []byte   // AudioSpecificConfig of AAC
	// Patience is how long a missing packet is waited for.
	Patience time.Duration
	// Renumbers says that the sender may count its packets anew without a word,
	// and sends none of them twice: a camera, not a browser.
	Renumbers bool
}

// Unit is one access unit, or the news that some are missing.
type Unit struct {
	Time   int64 // RTP time, unwrapped to 64 bits
	Key    bool
	Data   []byte // as parts store it
	Lost   bool   // before this unit one came incomplete and was left out
	Broken bool   // nothing but that: there is no data
}

// Track is the receiving end of one track. It is not safe for concurrent use.
type Track struct {
	format Format
	order  order
	time   unwrapped
	units  depacketizer
	config chunk.Track
	ready  bool
	broken bool   // a packet is missing from the unit that is being joined
	stamp  uint32 // the RTP time of that unit
	lost   bool   // tell it with the next unit
}

// New makes the receiving end. Kind Invalid: the codec cannot come by RTP.
func New(f Format) (*Track, error) {
	units, err := newDepacketizer(f)
	if err != nil {
		return nil, err
	}
	t := &Track{format: f, units: units, order: order{patience: f.Patience, renumber: f.Renumbers}}
	t.config, t.ready = units.config()
	return t, nil
}

// Config describes the track's frames as of the latest unit; false while that
// is not known.
func (t *Track) Config() (chunk.Track, bool) { return t.config, t.ready }

// Push takes a packet that came at now, and answers the units that it completes.
func (t *Track) Push(p Packet, now time.Time) []Unit {
	t.order.push(p, now)
	return t.take(now)
}

// Tick answers the units that nothing is waited for any more.
func (t *Track) Tick(now time.Time) []Unit { return t.take(now) }

func (t *Track) take(now time.Time) []Unit {
	var all []Unit
	for {
		p, hole, ok := t.order.pop(now)
		if !ok {
			return all
		}
		if hole {
			t.units.reset()
			t.broken, t.lost = true, true
			t.stamp = p.Time
			all = append(all, Unit{Broken: true, Lost: true})
		}
		all = append(all, t.join(p)...)
	}
}

// join hands one packet to the depacketizer. What follows a hole in the same
// unit is passed over.
func (t *Track) join(p Packet) []Unit {
	at := t.time.extend(p.Time)
	if len(p.Payload) == 0 {
		return nil // a probe of the sender's
	}
	if t.broken {
		if p.Time == t.stamp && t.format.Codec.Video() {
			if p.Marker {
				t.broken = false
			}
			return nil
		}
		t.broken = false
	}
	units, err := t.units.add(p, at)
	if err != nil {
		t.units.reset()
		return []Unit{{Time: at, Broken: true, Lost: true}}
	}
	for i := range units {
		units[i].Lost = t.lost
		t.lost = false
	}
	t.config, t.ready = t.units.config()
	return units
}

// Missing are the sequence numbers that are waited for, oldest first, at most n.
func (t *Track) Missing(n int) []uint16 { return t.order.missing(n) }

// Waits reports whether any packet is waited for.
func (t *Track) Waits() bool { return len(t.order.held) > 0 }

// Lost is how many packets never came.
func (t *Track) Lost() uint64 { return t.order.lost }

// unwrapped makes 64 bits of RTP time that wraps at 32.
type unwrapped struct {
	last  int64
	known bool
}

func (u *unwrapped) extend(t uint32) int64 {
	if !u.known {
		u.known, u.last = true, int64(t)
		return u.last
	}
	u.last += int64(int32(t - uint32(u.last)))
	return u.last
}

func unsupported(c chunk.Codec) error {
	return shardlog.Errorf(shardlog.Invalid, "take track", "codec %s cannot come by RTP", c.Name())
}
