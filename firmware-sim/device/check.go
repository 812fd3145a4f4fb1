package device

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	crcField = `,"crc":"`
	crcTail  = len(crcField) + 8 + len(`"}`)
)

// What Check may find. A payload that is neither is whole and ours.
var (
	// ErrForeign says that the bytes were never a payload of a simulated device.
	ErrForeign = errors.New("foreign payload")
	// ErrAltered says that they were, and are not what the device sent.
	ErrAltered = errors.New("altered payload")
)

// Identify reads device and sequence number from a payload's start, without
// looking at the rest. Anything else is ErrForeign.
func Identify(data []byte) (ID, uint64, error) {
	rest, found := bytes.CutPrefix(data, []byte(`{"device":"`))
	name, rest, cut := bytes.Cut(rest, []byte(`","seq":`))
	if !found || !cut || len(name) > 32 {
		return ID{}, 0, ErrForeign
	}
	id, err := ParseID(string(name))
	if err != nil {
		return ID{}, 0, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	var n uint64
	digits := 0
	for digits < len(rest) && digits < 20 && rest[digits] >= '0' && rest[digits] <= '9' {
		n = n*10 + uint64(rest[digits]-'0')
		digits++
	}
	if digits == 0 || digits == len(rest) || rest[digits] != ',' {
		return ID{}, 0, ErrForeign
	}
	return id, n, nil
}

// Whole reports whether a payload ends with the checksum of what stands before it.
func Whole(data []byte) bool {
	body := len(data) - crcTail
	if body < 0 || !bytes.HasPrefix(data[body:], []byte(crcField)) || !bytes.HasSuffix(data, []byte(`"}`)) {
		return false
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], data[body+len(crcField):len(data)-2]); err != nil {
		return false
	}
	return binary.BigEndian.Uint32(sum[:]) == crc32.Checksum(data[:body], castagnoli)
}

// Check reports whether data is, byte for byte, what this device sends as
// payload n; scratch is room for the comparison and is returned for the next.
func (d *Device) Check(data []byte, n uint64, scratch []byte) (same bool, room []byte) {
	scratch = d.Append(scratch[:0], n)
	return bytes.Equal(scratch, data), scratch
}
