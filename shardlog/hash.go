package shardlog

import (
	"crypto/md5"
	"encoding/binary"
	"math/big"
)

// Hash is a place on the 128-bit ring, most significant half first.
type Hash struct{ Hi, Lo uint64 }

// HashKey is the place of a partition key: its MD5 read as a big-endian
// number (Kinesis API reference, PutRecord).
func HashKey(key string) Hash {
	sum := md5.Sum([]byte(key))
	return Hash{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

// MaxHash is the last place of the ring, 2^128 - 1.
func MaxHash() Hash { return Hash{^uint64(0), ^uint64(0)} }

// Less reports whether h lies before o.
func (h Hash) Less(o Hash) bool { return h.Hi < o.Hi || h.Hi == o.Hi && h.Lo < o.Lo }

// Next is the place after h; the last place wraps to zero.
func (h Hash) Next() Hash {
	h.Lo++
	if h.Lo == 0 {
		h.Hi++
	}
	return h
}

// String is the hash in decimal, as AWS writes it.
func (h Hash) String() string {
	n := new(big.Int).SetUint64(h.Hi)
	n.Lsh(n, 64)
	return n.Or(n, new(big.Int).SetUint64(h.Lo)).String()
}

// ParseHash reads a decimal hash key: "0" or digits without a leading zero,
// below 2^128. Anything else is Invalid.
func ParseHash(text string) (Hash, error) {
	if text == "" || len(text) > 39 || len(text) > 1 && text[0] == '0' {
		return Hash{}, Errorf(Invalid, "parse hash key", "%q is no decimal number below 2^128", text)
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return Hash{}, Errorf(Invalid, "parse hash key", "%q is no decimal number below 2^128", text)
		}
	}
	n, _ := new(big.Int).SetString(text, 10)
	if n.BitLen() > 128 {
		return Hash{}, Errorf(Invalid, "parse hash key", "%q is no decimal number below 2^128", text)
	}
	var b [16]byte
	n.FillBytes(b[:])
	return Hash{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, nil
}
