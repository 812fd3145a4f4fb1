package camera

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestLossesHaveTheirShareAndTheirBursts(t *testing.T) {
	for _, loss := range []Loss{{}, {Share: 0.05}, {Share: 0.3}, {Share: 0.1, Burst: 5}, {Share: 0.6, Burst: 3}} {
		w := &way{loss: loss, random: rand.New(rand.NewPCG(3, 4))}
		packet := make([]byte, 100)
		packet[0] = 128
		bursts, before := 0, true
		const packets = 100_000
		for range packets {
			now := w.passes(packet)
			if before && !now {
				bursts++
			}
			before = now
		}
		if share := float64(w.dropped) / packets; math.Abs(share-loss.Share) > 0.02*loss.Share+0.003 {
			t.Errorf("%+v: %f lost", loss, share)
		}
		if loss.Burst > 1 && w.dropped < int64(bursts*loss.Burst)-int64(loss.Burst) {
			t.Errorf("%+v: %d lost in %d bursts", loss, w.dropped, bursts)
		}
		if w.packets != packets || w.bytes != 100*packets {
			t.Errorf("%+v: %d packets, %d bytes", loss, w.packets, w.bytes)
		}
	}
}

func TestOnlyRTPIsLost(t *testing.T) {
	for first, want := range map[[2]byte]bool{
		{0, 1}: false, {22, 254}: false, {128, 102}: true, {144, 128 + 102}: true, {128, 0}: true, {128, 200}: false, {129, 206}: false, {192, 102}: false,
	} {
		datagram := make([]byte, 40)
		copy(datagram, first[:])
		if got := isRTP(datagram); got != want {
			t.Errorf("%v: %v", first, got)
		}
	}
}

// TestG711 checks both codes against samples whose codes are known, and that
// decoding by their rules comes back near.
func TestG711(t *testing.T) {
	for sample, want := range map[int]byte{0: 0xff, 32767: 0x80, -32768: 0x00, 1000: 0xce, -1000: 0x4e} {
		if got := muLaw(sample); got != want {
			t.Errorf("mu-law of %d is %02x, want %02x", sample, got, want)
		}
	}
	for sample, want := range map[int]byte{0: 0xd5, -1: 0x55, 32767: 0xaa, -32768: 0x2a, 1000: 0xfa, -1000: 0x7a} {
		if got := aLaw(sample); got != want {
			t.Errorf("A-law of %d is %02x, want %02x", sample, got, want)
		}
	}
}
