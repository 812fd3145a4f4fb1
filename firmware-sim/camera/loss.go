package camera

import (
	"math/rand/v2"
	"net"
	"sync"
)

// way is the way from camera to server, below SRTP: it counts the RTP packets
// that go out and loses some, whether they go for the first time or again.
// STUN, DTLS and RTCP pass. It outlives sessions and is safe for concurrent use.
type way struct {
	mu     sync.Mutex
	loss   Loss
	random *rand.Rand
	burst  int // packets still to be lost of the burst that has begun

	packets, dropped, bytes int64
}

// set changes the losses.
func (w *way) set(l Loss) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loss, w.burst = l, 0
}

// passes says whether a datagram arrives.
func (w *way) passes(datagram []byte) bool {
	if !isRTP(datagram) {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.packets++
	w.bytes += int64(len(datagram))
	if !w.lost() {
		return true
	}
	w.dropped++
	return false
}

// lost draws the fate of the next packet. Bursts of b packets begin so often
// that the share lost is that of the configuration.
func (w *way) lost() bool {
	if w.burst > 0 {
		w.burst--
		return true
	}
	if w.loss.Share == 0 {
		return false
	}
	length := max(1, w.loss.Burst)
	if w.random.Float64() >= 1/(1+float64(length)*(1-w.loss.Share)/w.loss.Share) {
		return false
	}
	w.burst = length - 1
	return true
}

// isRTP tells RTP from STUN, DTLS and RTCP, after RFC 7983 and RFC 5761.
func isRTP(datagram []byte) bool {
	if len(datagram) < 12 || datagram[0] < 128 || datagram[0] > 191 {
		return false
	}
	kind := datagram[1] & 0x7f
	return kind < 64 || kind > 95
}

// lossyConn is a UDP socket whose writes go the way.
type lossyConn struct {
	net.PacketConn
	way *way
}

// WriteTo sends a datagram, or says so of one that is lost.
func (c lossyConn) WriteTo(datagram []byte, to net.Addr) (int, error) {
	if !c.way.passes(datagram) {
		return len(datagram), nil
	}
	return c.PacketConn.WriteTo(datagram, to)
}
