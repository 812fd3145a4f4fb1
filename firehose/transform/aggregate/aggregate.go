// Package aggregate reads the records that the Kinesis Producer Library packs
// into one. It does not know where they come from, and writes none.
//
//	+------------+-----------------------------+------------------+
//	| f3 89 9a c2 | AggregatedRecord (protobuf) | its MD5 (16 bytes) |
//	+------------+-----------------------------+------------------+
//
//	AggregatedRecord: 1 repeated string partition_key_table
//	                  2 repeated string explicit_hash_key_table
//	                  3 repeated Record records
//	Record:           1 uint64 partition_key_index
//	                  2 uint64 explicit_hash_key_index, optional
//	                  3 bytes data
//	                  4 repeated Tag tags, ignored
package aggregate

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
)

var magic = [4]byte{0xf3, 0x89, 0x9a, 0xc2}

// Record is one of those that were packed.
type Record struct {
	Key      string
	Explicit string // hash key in decimal; empty when there is none
	Data     []byte // shares the packed record's bytes
}

// Is reports whether data looks packed, by its first bytes alone.
func Is(data []byte) bool {
	return len(data) >= len(magic)+md5.Size && [4]byte(data[:4]) == magic
}

// Read calls do with each record, in order, until it answers false. It
// answers false, having called nothing, when data is not what it looks like:
// then it is a record of its own.
func Read(data []byte, do func(Record) bool) bool {
	if !Is(data) {
		return false
	}
	message, sum := data[len(magic):len(data)-md5.Size], data[len(data)-md5.Size:]
	if actual := md5.Sum(message); !bytes.Equal(actual[:], sum) {
		return false
	}
	t, ok := readTables(message)
	if !ok {
		return false
	}
	eachField(message, func(f field) bool {
		if f.number != 3 {
			return true
		}
		r, _ := t.record(f.bytes) // checked by readTables
		return do(r)
	})
	return true
}

// tables are the keys, which records refer to by index.
type tables struct{ keys, explicit [][]byte }

// readTables reads the tables and checks all records against them.
func readTables(message []byte) (tables, bool) {
	var t tables
	ok := eachField(message, func(f field) bool {
		switch f.number {
		case 1:
			t.keys = append(t.keys, f.bytes)
		case 2:
			t.explicit = append(t.explicit, f.bytes)
		}
		return f.number > 3 || f.wire == wireBytes
	})
	return t, ok && eachField(message, func(f field) bool {
		if f.number != 3 {
			return true
		}
		_, ok := t.record(f.bytes)
		return ok
	})
}

func (t tables) record(message []byte) (r Record, ok bool) {
	var key, explicit uint64
	hasKey, hasExplicit, hasData := false, false, false
	ok = eachField(message, func(f field) bool {
		switch f.number {
		case 1:
			key, hasKey = f.value, true
			return f.wire == wireVarint
		case 2:
			explicit, hasExplicit = f.value, true
			return f.wire == wireVarint
		case 3:
			r.Data, hasData = f.bytes, true
			return f.wire == wireBytes
		}
		return true
	})
	if !ok || !hasKey || !hasData || key >= uint64(len(t.keys)) || hasExplicit && explicit >= uint64(len(t.explicit)) {
		return Record{}, false
	}
	r.Key = string(t.keys[key])
	if hasExplicit {
		r.Explicit = string(t.explicit[explicit])
	}
	return r, true
}

// The wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

type field struct {
	number uint64
	wire   uint64
	value  uint64 // of wireVarint
	bytes  []byte // of wireBytes
}

// eachField calls do with each field. It answers false when the message is
// not well formed or do answers false.
func eachField(message []byte, do func(field) bool) bool {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return false
		}
		f := field{number: tag >> 3, wire: tag & 7}
		if message = message[n:]; f.number == 0 {
			return false
		}
		size := uint64(0)
		switch f.wire {
		case wireVarint:
			if f.value, n = binary.Uvarint(message); n <= 0 {
				return false
			}
			size = uint64(n)
		case wireFixed64:
			size = 8
		case wireFixed32:
			size = 4
		case wireBytes:
			length, n := binary.Uvarint(message)
			if n <= 0 {
				return false
			}
			message, size = message[n:], length
		default:
			return false
		}
		if size > uint64(len(message)) {
			return false
		}
		if f.wire == wireBytes {
			f.bytes = message[:size:size]
		}
		if message = message[size:]; !do(f) {
			return false
		}
	}
	return true
}
