package shardlog

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// CursorKey is the key in the space Cursors of one consumer's place in one shard.
func CursorKey(shard ShardID, consumer string) string {
	return fmt.Sprintf("%08x/%08x/%s", uint32(shard.Stream), shard.Number, consumer)
}

// ParseCursorKey takes a CursorKey apart.
func ParseCursorKey(key string) (shard ShardID, consumer string, err error) {
	if len(key) < 19 || key[8] != '/' || key[17] != '/' {
		return ShardID{}, "", Errorf(Invalid, "parse cursor key", "%q", key)
	}
	stream, err1 := strconv.ParseUint(key[:8], 16, 32)
	number, err2 := strconv.ParseUint(key[9:17], 16, 32)
	shard, consumer = ShardID{StreamID(stream), uint32(number)}, key[18:]
	if err1 != nil || err2 != nil || CursorKey(shard, consumer) != key {
		return ShardID{}, "", Errorf(Invalid, "parse cursor key", "%q", key)
	}
	return shard, consumer, nil
}

// EncodeCursor is the value in the space Cursors: the next record the
// consumer wants. A pinned cursor keeps that record and all after it on disk
// beyond the retention, up to the byte budget.
func EncodeCursor(c Cursor) []byte {
	b := binary.AppendUvarint(nil, uint64(c.Next))
	if c.Pinned {
		return append(b, 1)
	}
	return append(b, 0)
}

// DecodeCursor reads an EncodeCursor.
func DecodeCursor(b []byte) (Cursor, error) {
	next, n := binary.Uvarint(b)
	if n <= 0 || len(b) != n+1 || b[n] > 1 {
		return Cursor{}, Errorf(Corrupt, "decode cursor", "%x", b)
	}
	return Cursor{Next: Seq(next), Pinned: b[n] == 1}, nil
}
