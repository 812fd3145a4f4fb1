package camera

import (
	"math"
	"time"
)

// Sound is the codec of the audio track.
type Sound string

// The sounds there are. Opus is silence, the others beep at each full second.
const (
	Opus    Sound = "opus"
	PCMU    Sound = "pcmu"
	PCMA    Sound = "pcma"
	NoSound Sound = "none"
)

const (
	packetTime = 20 * time.Millisecond
	beepTime   = 100 * time.Millisecond // of beep and flash
	beepHertz  = 1000
)

// rate is the clock of the sound's RTP timestamps.
func (s Sound) rate() int {
	if s == Opus {
		return 48000
	}
	return 8000
}

// packet is the payload of one packet that begins at some time after a full second.
func (s Sound) packet(sinceSecond time.Duration) []byte {
	if s == Opus {
		return []byte{0xf8, 0xff, 0xfe}
	}
	payload := make([]byte, 8000*packetTime/time.Second)
	for i := range payload {
		at := sinceSecond + time.Duration(i)*time.Second/8000
		var sample int
		if at%time.Second < beepTime {
			sample = int(12000 * math.Sin(2*math.Pi*beepHertz*at.Seconds()))
		}
		if s == PCMU {
			payload[i] = muLaw(sample)
		} else {
			payload[i] = aLaw(sample)
		}
	}
	return payload
}

// muLaw codes a sample of 16 bits after G.711.
func muLaw(sample int) byte {
	sign := byte(0)
	if sample < 0 {
		sign, sample = 0x80, -sample
	}
	sample = min(sample, 32635) + 132
	exponent := 7
	for mask := 0x4000; exponent > 0 && sample&mask == 0; mask >>= 1 {
		exponent--
	}
	return ^(sign | byte(exponent<<4) | byte(sample>>(exponent+3)&0x0f))
}

// aLaw codes a sample of 16 bits after G.711.
func aLaw(sample int) byte {
	sign := byte(0x80)
	if sample < 0 {
		sign, sample = 0, -sample-1
	}
	sample = min(sample, 32767)
	exponent := 7
	for mask := 0x4000; exponent > 0 && sample&mask == 0; mask >>= 1 {
		exponent--
	}
	code := byte(sample >> 4 & 0x0f)
	if exponent > 0 {
		code = byte(exponent<<4) | byte(sample>>(exponent+3)&0x0f)
	}
	return (sign | code) ^ 0x55
}
