package shardlog

import (
	"fmt"
	"strings"
)

// StreamName is a stream's name as users know it: 1 to 128 characters of
// [a-zA-Z0-9_.-]. Names that begin with an underscore are the gateway's own.
type StreamName string

// Check answers Invalid when the name is not one that a stream may have
// (API reference of Kinesis, CreateStream, StreamName).
func (n StreamName) Check() error {
	if len(n) == 0 || len(n) > MaxStreamName {
		return Errorf(Invalid, "name stream", "%q has %d characters, 1 to %d are allowed", string(n), len(n), MaxStreamName)
	}
	for i := 0; i < len(n); i++ {
		if c := n[i]; !isNameByte(c) {
			return Errorf(Invalid, "name stream", "%q: only letters, digits and _ . - are allowed", string(n))
		}
	}
	return nil
}

// Own reports whether the stream belongs to the gateway itself (_gaps, _orphans).
func (n StreamName) Own() bool { return strings.HasPrefix(string(n), "_") }

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}

// StreamID is one incarnation of a stream: given once, never used again.
// Zero is no stream.
type StreamID uint32

// ShardID is one shard of one incarnation of a stream.
type ShardID struct {
	Stream StreamID
	Number uint32
}

// String is the shard's name within its stream, as AWS writes it.
func (s ShardID) String() string { return fmt.Sprintf("shardId-%012d", s.Number) }

// Seq is a record's place in its shard: 1 for the first record ever, then
// without holes. Zero is the place before the first record.
type Seq uint64
