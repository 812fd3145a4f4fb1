package store

import (
	"encoding/hex"
	"fmt"

	"headgate/shardlog"
)

// BlockKey names a block. It is the same on every gateway of a site.
type BlockKey struct {
	Class  shardlog.Class
	Bucket uint32
	Stream shardlog.StreamID
	Index  uint64 // of its log entry
	Block  uint16 // among the blocks of that entry
}

func keyOf(p place) BlockKey { return BlockKey{p.class, p.bucket, p.stream, p.index, p.ord} }

func (k BlockKey) place() place { return place{k.Class, k.Bucket, k.Stream, k.Index, k.Block} }

// String is the key in hexadecimal digits, as it lies on the disk.
func (k BlockKey) String() string { return hex.EncodeToString(k.place().key()) }

// MarshalText is String.
func (k BlockKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *BlockKey) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("read block key: %w", err)
	}
	p, ok := parseBlockKey(b)
	if !ok {
		return shardlog.Errorf(shardlog.Invalid, "read block key", "%q", text)
	}
	*k = keyOf(p)
	return nil
}

// ExtentKey names an extent: what one bucket holds of one stream.
type ExtentKey struct {
	Class  shardlog.Class
	Bucket uint32
	Stream shardlog.StreamID
}

// Extent is where the block belongs.
func (k BlockKey) Extent() ExtentKey { return ExtentKey{k.Class, k.Bucket, k.Stream} }

func (e *extent) name() ExtentKey { return ExtentKey{e.Class, e.Bucket, e.Stream} }

// prefix is the common prefix of the extent's blocks.
func (e ExtentKey) prefix() []byte { return extentKey(nil, e.Class, e.Bucket, e.Stream) }

// from is the key of the extent's first block at an index or behind.
func (e ExtentKey) from(index uint64) []byte {
	return place{e.Class, e.Bucket, e.Stream, index, 0}.key()
}

func parseExtentKey(prefix []byte) (ExtentKey, bool) {
	p, ok := parseBlockKey(append(append([]byte{}, prefix...), make([]byte, 10)...))
	return keyOf(p).Extent(), ok
}
