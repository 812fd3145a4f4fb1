package store

import (
	"encoding/binary"

	"headgate/shardlog"
)

// The key layout is in FORMAT.md. All numbers are big-endian, so that keys
// sort as their numbers do.
const (
	prefixJournal = 'j'
	prefixBlock   = 'b'
	prefixState   = 's'
	prefixLocal   = 'l'
	prefixSpool   = 'o'
	prefixPulled  = 'p'

	stateApplied = 'a'
	stateStream  = 'c'
	stateGap     = 'g'
	stateSkip    = 'i'
	stateSpace   = 'k'
	stateBundle  = 'u' // of the release before peers: read, not written
	stateOrigin  = 'o'
	stateExtent  = 'x'
)

func journalKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefixJournal}, index)
}

// place is where a block lies.
type place struct {
	class  shardlog.Class
	bucket uint32
	stream shardlog.StreamID
	index  uint64
	ord    uint16 // among the blocks of its log entry
}

const blockKeySize = 1 + 1 + 4 + 4 + 8 + 2

func (p place) key() []byte {
	b := extentKey(make([]byte, 0, blockKeySize), p.class, p.bucket, p.stream)
	b = binary.BigEndian.AppendUint64(b, p.index)
	return binary.BigEndian.AppendUint16(b, p.ord)
}

func parseBlockKey(k []byte) (place, bool) {
	if len(k) != blockKeySize || k[0] != prefixBlock {
		return place{}, false
	}
	return place{
		class:  shardlog.Class(k[1]),
		bucket: binary.BigEndian.Uint32(k[2:]),
		stream: shardlog.StreamID(binary.BigEndian.Uint32(k[6:])),
		index:  binary.BigEndian.Uint64(k[10:]),
		ord:    binary.BigEndian.Uint16(k[18:]),
	}, true
}

// before reports whether p was written before o.
func (p place) before(o place) bool {
	return p.index < o.index || p.index == o.index && p.ord < o.ord
}

// extentKey is the common prefix of the blocks of one stream in one bucket.
func extentKey(b []byte, class shardlog.Class, bucket uint32, stream shardlog.StreamID) []byte {
	b = append(b, prefixBlock, byte(class))
	b = binary.BigEndian.AppendUint32(b, bucket)
	return binary.BigEndian.AppendUint32(b, uint32(stream))
}

func stateKey(kind byte, numbers ...uint32) []byte {
	b := []byte{prefixState, kind}
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func skipKey(stream shardlog.StreamID, bucket uint32, index uint64) []byte {
	return binary.BigEndian.AppendUint64(stateKey(stateSkip, uint32(stream), bucket), index)
}

func originKey(o origin) []byte { return keyOfOrigin(stateOrigin, o) }

func bundleKey(o origin) []byte { return keyOfOrigin(stateBundle, o) }

func keyOfOrigin(kind byte, o origin) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{prefixState, kind}, o.gateway), o.incarnation)
}

func gapKey(index uint64, ord uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{prefixState, stateGap}, index), ord)
}

func spaceKey(space shardlog.Space, key string) []byte {
	b := append([]byte{prefixState, stateSpace}, space...)
	b = append(b, 0)
	return append(b, key...)
}

func localKey(key string) []byte { return append([]byte{prefixLocal}, key...) }

// after is the smallest key behind all keys that begin with prefix.
func after(prefix []byte) []byte {
	b := append([]byte(nil), prefix...)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]++
		if b[i] != 0 {
			return b[:i+1]
		}
	}
	return nil
}

func numberValue(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
