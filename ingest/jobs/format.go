package jobs

import (
	"bytes"
	"encoding/binary"
)

// format is how a stream's messages are written.
type format string

const (
	formatJSON format = "json"
	formatCBOR format = "cbor"
)

// field is one pair of an answer. Its value is a string, an int64, bytes (in
// JSON as Base64), or a list of such objects.
type field struct {
	key   string
	value any
}

// encode writes an object, in the order of its fields.
func (f format) encode(fields []field) []byte {
	if f == formatCBOR {
		return appendCBORMap(nil, fields)
	}
	return appendJSON(nil, fields)
}

func appendJSON(b []byte, fields []field) []byte {
	b = append(b, '{')
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.key...), '"', ':')
		list, ok := f.value.([][]field)
		if !ok {
			b = append(b, text(f.value)...)
			continue
		}
		var all [][]byte
		for _, one := range list {
			all = append(all, appendJSON(nil, one))
		}
		b = append(append(append(b, '['), bytes.Join(all, []byte{','})...), ']')
	}
	return append(b, '}')
}

// The kinds of CBOR (RFC 8949): the first three bits of an item.
const (
	cborUint byte = iota
	cborNegative
	cborBytes
	cborText
	cborList
	cborMap
	cborTag
	cborOther
)

func appendCBORMap(b []byte, fields []field) []byte {
	b = appendCBORHead(b, cborMap, uint64(len(fields)))
	for _, f := range fields {
		b = append(appendCBORHead(b, cborText, uint64(len(f.key))), f.key...)
		switch v := f.value.(type) {
		case string:
			b = append(appendCBORHead(b, cborText, uint64(len(v))), v...)
		case []byte:
			b = append(appendCBORHead(b, cborBytes, uint64(len(v))), v...)
		case int64:
			b = appendCBORHead(b, cborUint, uint64(v))
		case [][]field:
			b = appendCBORHead(b, cborList, uint64(len(v)))
			for _, one := range v {
				b = appendCBORMap(b, one)
			}
		}
	}
	return b
}

// appendCBORHead writes an item's head, as short as it can be.
func appendCBORHead(b []byte, kind byte, n uint64) []byte {
	switch kind <<= 5; {
	case n < 24:
		return append(b, kind|byte(n))
	case n < 1<<8:
		return append(b, kind|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, kind|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, kind|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, kind|27), n)
}
