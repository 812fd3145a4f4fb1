package device

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"
)

// World is what all devices of a fleet share: the seed of their signals and
// the clock of their samples. Sample n was taken about Period after sample n-1.
type World struct {
	Seed   uint64
	Epoch  time.Time     // of sample 0, millisecond precision; zero: 2026-01-01 UTC
	Period time.Duration // zero: one second
	Jump   time.Duration // by which each device's clock is set forward at one of its first hundred samples
}

// Device makes the samples of one device. It is immutable.
type Device struct {
	ID     ID
	name   string
	signal noise
	epoch  int64  // Unix milliseconds
	period uint64 // milliseconds, at least 1
	jump   int64  // milliseconds
	jumps  uint64 // the first sample after the jump
	fields func(b []byte, s noise, n, tick uint64) []byte
}

// firstSamples are those among which a clock is set.
const firstSamples = 100

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Normal is the world with its defaults filled in and its clock cut to milliseconds.
func (w World) Normal() World {
	if w.Epoch.IsZero() {
		w.Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if w.Period == 0 {
		w.Period = time.Second
	}
	w.Epoch = w.Epoch.Truncate(time.Millisecond).UTC()
	w.Jump = w.Jump.Truncate(time.Millisecond)
	w.Period = max(w.Period.Truncate(time.Millisecond), time.Millisecond)
	return w
}

// Device makes one device of this world. A kind that is not among Kinds is ErrID.
func (w World) Device(id ID) (*Device, error) {
	w = w.Normal()
	d := &Device{ID: id, name: id.String(), epoch: w.Epoch.UnixMilli(), period: uint64(w.Period / time.Millisecond)}
	switch id.Kind {
	case Temperature:
		d.fields = temperature
	case GPS:
		d.fields = gps
	case Vibration:
		d.fields = vibration
	case Energy:
		d.fields = energy
	case Door:
		d.fields = door
	case Motion:
		d.fields = motion
	default:
		return nil, fmt.Errorf("kind %q: %w", id.Kind, ErrID)
	}
	sum := crc32.Checksum([]byte(d.name), castagnoli)
	d.signal = noise(w.Seed).fork(uint64(sum)<<32 | uint64(id.Number))
	d.jump, d.jumps = w.Jump.Milliseconds(), 2+uint64(d.signal.fork(100).at(0, firstSamples-2))
	return d, nil
}

// Append appends payload n to b: one JSON object that begins with the device
// and the sequence number and ends with a CRC-32C of all that stands before it.
func (d *Device) Append(b []byte, n uint64) []byte {
	start := len(b)
	b = append(b, `{"device":"`...)
	b = append(b, d.name...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, n, 10)
	b = append(b, `,"ts":`...)
	tick := n * d.period // milliseconds since the epoch
	epoch := d.epoch
	if n >= d.jumps {
		epoch += d.jump
	}
	b = strconv.AppendInt(b, epoch+int64(tick)+d.signal.fork(1).at(n, int64(d.period/20+1)), 10)
	b = d.fields(b, d.signal, n, tick)
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(b[start:], castagnoli))
	b = append(b, crcField...)
	b = appendHex(b, sum[:])
	return append(b, '"', '}')
}

// appendHex appends bytes in lower-case hexadecimal.
func appendHex(b, data []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range data {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// field appends a fixed-point number: v is in units of 10^-decimals.
func field(b []byte, name string, v int64, decimals int) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return fixed(b, v, decimals)
}

// fixed appends v · 10^-decimals.
func fixed(b []byte, v int64, decimals int) []byte {
	if v < 0 {
		b, v = append(b, '-'), -v
	}
	if decimals == 0 {
		return strconv.AppendInt(b, v, 10)
	}
	scale := int64(1)
	for range decimals {
		scale *= 10
	}
	b = append(strconv.AppendInt(b, v/scale, 10), '.')
	for scale /= 10; scale > 0; scale /= 10 {
		b = append(b, byte('0'+v/scale%10))
	}
	return b
}

// text appends a member whose value is a plain string.
func text(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':', '"')
	b = append(b, value...)
	return append(b, '"')
}
