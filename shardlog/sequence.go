package shardlog

import (
	"math/bits"
	"time"
)

// SequenceNumber is a record's number as AWS writes it: 186 bits, version 2,
// 56 decimal digits. From the high end, in hex digits: "2", create time of
// the shard in seconds (9), the shard number's low nibble (1), index (16, top
// bit zero), zero (2), arrival in seconds (9), shard number (8), version 2.
// The index is the record's Seq, never a clock.
type SequenceNumber struct {
	Created uint64 // Unix seconds, 36 bits
	Shard   uint32
	Index   Seq    // 63 bits
	Stamp   uint64 // Unix seconds, 36 bits
}

const (
	maxIndex   = Seq(1<<63 - 1)
	maxSeconds = 1<<36 - 1
)

// Number is the sequence number of the shard's record at seq, arrived then.
func (s Shard) Number(seq Seq, arrived time.Time) SequenceNumber {
	return SequenceNumber{Created: s.Created, Shard: s.ID.Number, Index: seq, Stamp: uint64(arrived.Unix())}
}

// words is the number as three 64-bit words, most significant first.
func (n SequenceNumber) words() (hi, mid, lo uint64) {
	created, stamp, index := n.Created&maxSeconds, n.Stamp&maxSeconds, uint64(n.Index&maxIndex)
	// bit positions from the low end: version 0-3, shard 4-35, stamp 36-71,
	// zero 72-79, index 80-143, nibble 144-147, created 148-183, lead 184-187.
	lo = 2 | uint64(n.Shard)<<4 | stamp<<36
	mid = stamp>>28 | index<<16
	hi = index>>48 | uint64(n.Shard&0xf)<<16 | created<<20 | 2<<56
	return hi, mid, lo
}

// Append appends the number's decimal digits to b.
func (n SequenceNumber) Append(b []byte) []byte {
	const ten19 = 10_000_000_000_000_000_000
	hi, mid, lo := n.words()
	var digits [57]byte
	end := len(digits)
	for range 3 {
		var r uint64
		hi, r = hi/ten19, hi%ten19
		mid, r = bits.Div64(r, mid, ten19)
		lo, r = bits.Div64(r, lo, ten19)
		for range 19 {
			end--
			digits[end] = byte('0' + r%10)
			r /= 10
		}
	}
	start := 0
	for digits[start] == '0' && start < len(digits)-1 {
		start++
	}
	return append(b, digits[start:]...)
}

// String is the number in decimal.
func (n SequenceNumber) String() string { return string(n.Append(make([]byte, 0, 57))) }

// ParseSequenceNumber reads a decimal sequence number of version 2. Anything
// else is Invalid.
func ParseSequenceNumber(text string) (SequenceNumber, error) {
	bad := func() (SequenceNumber, error) {
		return SequenceNumber{}, Errorf(Invalid, "parse sequence number", "%q is no sequence number", text)
	}
	if len(text) != 56 {
		return bad()
	}
	var hi, mid, lo uint64
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return bad()
		}
		c1, l := bits.Mul64(lo, 10)
		c2, m := bits.Mul64(mid, 10)
		var carry uint64
		lo, carry = bits.Add64(l, uint64(text[i]-'0'), 0)
		mid, carry = bits.Add64(m, c1, carry)
		hi = hi*10 + c2 + carry
	}
	n := SequenceNumber{
		Created: hi >> 20 & maxSeconds,
		Shard:   uint32(lo >> 4),
		Index:   Seq(hi<<48 | mid>>16),
		Stamp:   lo>>36 | mid<<28&maxSeconds,
	}
	if h, m, l := n.words(); h != hi || m != mid || l != lo {
		return bad()
	}
	return n, nil
}
