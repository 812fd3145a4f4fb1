package block

import (
	"bytes"
	"encoding/binary"

	"headgate/shardlog"
)

// A frame is the payload before compression:
//
//	byte  which columns of the table are present: 1 keyAt, 2 meta, 4 metaAt, 8 hash, 16 origin
//	table, each column with one uvarint for each record, run after run:
//	      key length, data length, keyAt, meta length, metaAt, hash (0 or 1), origin
//	hash  16 bytes for each record marked in the hash column
//	keys, without those that keyAt finds
//	metas, without the key's bytes where metaAt has a place
//	data
//
// keyAt is 1 + the place of the record's key within its data, metaAt 1 + its
// place within its meta; 0 means that the key does not occur there. A device's
// payload and topic usually repeat the client id that is its key, and no
// general compressor removes that second copy for less than a few bytes.
const (
	hasKeyAt = 1 << iota
	hasMeta
	hasMetaAt
	hasHash
	hasOrigin
	allColumns = 1<<iota - 1
)

const (
	searched = 256 // bytes of data or meta in which a key is looked for
	leastKey = 4   // shorter keys occur by chance, at places that compress badly
	hashSize = 16
)

// row is what the table says of one record.
type row struct {
	key, data, meta int // lengths
	keyAt, metaAt   int
	hash            bool
	origin          int64 // Unix milliseconds + 1; zero: none
}

func rowOf(e shardlog.Entry) row {
	return row{
		key: len(e.Key), data: len(e.Data), meta: len(e.Meta),
		keyAt: place(e.Data, e.Key), metaAt: place(e.Meta, e.Key),
		hash:   e.Hash != nil,
		origin: originOf(e),
	}
}

// originOf is the origin as the table has it. A time that it cannot hold is
// no time at all.
func originOf(e shardlog.Entry) int64 {
	if ms := e.Origin.UnixMilli(); !e.Origin.IsZero() && ms >= 0 && ms < maxUnixTime {
		return ms + 1
	}
	return 0
}

// place is 1 + where the key lies in the first bytes of b, or 0.
func place(b []byte, key string) int {
	if len(key) < leastKey {
		return 0
	}
	b = b[:min(len(b), searched)]
	for from := 0; from+len(key) <= len(b); {
		i := bytes.IndexByte(b[from:len(b)-len(key)+1], key[0])
		if i < 0 {
			return 0
		}
		if from += i; string(b[from:from+len(key)]) == key {
			return from + 1
		}
		from++
	}
	return 0
}

// appendFrame appends the frame of the runs' entries to b; rows is scratch.
func appendFrame(b []byte, runs []pending, rows []row) (frame []byte, scratch []row) {
	var have byte
	for i := range runs {
		for _, e := range runs[i].entries {
			r := rowOf(e)
			rows = append(rows, r)
			have |= bit(r.keyAt > 0, hasKeyAt) | bit(r.meta > 0, hasMeta) | bit(r.metaAt > 0, hasMetaAt) | bit(r.hash, hasHash) | bit(r.origin > 0, hasOrigin)
		}
	}
	b = appendTable(append(b, have), have, rows)
	b = appendHashes(b, have, runs)
	return appendBytes(b, runs, rows), rows
}

func bit(on bool, mask byte) byte {
	if on {
		return mask
	}
	return 0
}

func appendTable(b []byte, have byte, rows []row) []byte {
	for i := range rows {
		b = binary.AppendUvarint(b, uint64(rows[i].key))
	}
	for i := range rows {
		b = binary.AppendUvarint(b, uint64(rows[i].data))
	}
	if have&hasKeyAt != 0 {
		for i := range rows {
			b = binary.AppendUvarint(b, uint64(rows[i].keyAt))
		}
	}
	if have&hasMeta != 0 {
		for i := range rows {
			b = binary.AppendUvarint(b, uint64(rows[i].meta))
		}
	}
	if have&hasMetaAt != 0 {
		for i := range rows {
			b = binary.AppendUvarint(b, uint64(rows[i].metaAt))
		}
	}
	if have&hasHash != 0 {
		for i := range rows {
			b = append(b, bit(rows[i].hash, 1))
		}
	}
	if have&hasOrigin != 0 {
		for i := range rows {
			b = binary.AppendUvarint(b, uint64(rows[i].origin))
		}
	}
	return b
}

func appendHashes(b []byte, have byte, runs []pending) []byte {
	if have&hasHash == 0 {
		return b
	}
	for i := range runs {
		for _, e := range runs[i].entries {
			if e.Hash != nil {
				b = binary.BigEndian.AppendUint64(b, e.Hash.Hi)
				b = binary.BigEndian.AppendUint64(b, e.Hash.Lo)
			}
		}
	}
	return b
}

func appendBytes(b []byte, runs []pending, rows []row) []byte {
	n := 0
	for i := range runs {
		for _, e := range runs[i].entries {
			if rows[n].keyAt == 0 {
				b = append(b, e.Key...)
			}
			n++
		}
	}
	n = 0
	for i := range runs {
		for _, e := range runs[i].entries {
			if at := rows[n].metaAt; at > 0 {
				b = append(b, e.Meta[:at-1]...)
				b = append(b, e.Meta[at-1+len(e.Key):]...)
			} else {
				b = append(b, e.Meta...)
			}
			n++
		}
	}
	for i := range runs {
		for _, e := range runs[i].entries {
			b = append(b, e.Data...)
		}
	}
	return b
}
