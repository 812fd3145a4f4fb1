package awsapi

import (
	"encoding/binary"
	"math"
	"strings"
)

// What answers in CBOR begin with, where it is one byte: maps and lists go on
// up to cborEnd, so that nobody need count before writing.
const (
	cborMap  = byte(kindMap)<<5 | noLength
	cborList = byte(kindList)<<5 | noLength
	cborTime = byte(kindTag)<<5 | 1 // of milliseconds in CBOR 1.1, though RFC 8949 says seconds

	cborDouble = byte(kindOther)<<5 | moreBytes8
)

// appendHead appends the head of an item in the fewest bytes.
func appendHead(b []byte, k kind, n uint64) []byte {
	first := byte(k) << 5
	switch {
	case n < moreBytes1:
		return append(b, first|byte(n))
	case n <= math.MaxUint8:
		return append(b, first|moreBytes1, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, first|(moreBytes1+1)), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, first|(moreBytes1+2)), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, first|moreBytes8), n)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, kindNegative, uint64(-1-n))
	}
	return appendHead(b, kindUint, uint64(n))
}

func appendText(b []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return append(appendHead(b, kindText, uint64(len(s))), s...)
}
