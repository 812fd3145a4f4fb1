package webrtc

import (
	"net/url"
	"time"
	"weak"

	"github.com/pion/rtp"
)

// What tests look at from outside.
var (
	ParseFragment = func(text string) error { _, err := parseFragment(text); return err }
	CheckOffer    = checkOffer
	TidyAnswer    = tidyAnswer
	FragmentOf    = fragmentOf
	RestartOffer  = func(offer, ufrag, password string) string {
		return restartOffer(offer, fragment{ufrag: ufrag, password: password})
	}
)

// Nacks is a nacks.
type Nacks struct{ n nacks }

// Due is due.
func (n *Nacks) Due(missing []uint16, now time.Time) []uint16 { return n.n.due(missing, now) }

// Outlet is an outlet of a 90 kHz track that nobody watches.
type Outlet struct{ o outlet }

// Number is number: what viewers see of a packet, if they do.
func (o *Outlet) Number(source any, seq uint16, stamp uint32, probe bool, now time.Time) (uint16, uint32, bool) {
	o.o.rate = videoRate
	h, forward := o.o.number(source, rtp.Header{SequenceNumber: seq, Timestamp: stamp}, probe, now)
	return h.SequenceNumber, h.Timestamp, forward
}

// Rates are rates.
func Rates(perSecond, burst float64) func(address string, now time.Time) bool {
	r := &rates{perSecond: perSecond, burst: burst}
	return r.take
}

// ReplayOf is replayOf.
func ReplayOf(query string) (from int64, speed float64, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, 0, err
	}
	return replayOf(values)
}

// Remains says how many of the sessions that are open now are still in memory
// when it is called.
func (s *Server) Remains() func() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []weak.Pointer[session]
	for _, one := range s.sessions {
		all = append(all, weak.Make(one))
	}
	return func() (n int) {
		for _, p := range all {
			if p.Value() != nil {
				n++
			}
		}
		return n
	}
}

// Cameras is how many live sides are kept.
func (s *Server) Cameras() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.cameras)
}

// Expires is when the key that DTLS speaks with is no longer taken.
func (s *Server) Expires() time.Time { return s.identity.Expires() }
