package device

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// Sizes of the ring file; FORMAT.md has the diagram.
const (
	slotBytes   = 56
	slotB       = 4096
	ringData    = 8192
	recordHead  = 40
	skipLength  = 1<<32 - 1
	recordMagic = "REC1"
	ringMagic   = "FWRING1\n"
)

// slot is one copy of the ring's header.
type slot struct {
	generation  uint64
	size        uint64
	tail        uint64 // position of the oldest record
	number      uint64 // of the oldest record
	dropped     uint64
	incarnation uint32
}

func (s slot) encode() []byte {
	b := append(make([]byte, 0, slotBytes), ringMagic...)
	for _, v := range []uint64{s.generation, s.size, s.tail, s.number, s.dropped} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, s.incarnation)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeSlot reads one copy; false when it is torn or nonsense.
func decodeSlot(b []byte) (slot, bool) {
	le := binary.LittleEndian
	if len(b) != slotBytes || !bytes.HasPrefix(b, []byte(ringMagic)) ||
		le.Uint32(b[52:]) != crc32.Checksum(b[:52], castagnoli) {
		return slot{}, false
	}
	s := slot{le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint32(b[48:])}
	return s, s.size >= minRing && s.size <= maxRing && s.size%8 == 0 && s.tail%8 == 0
}

// at is where a slot of this generation lies.
func (s slot) at() int64 { return int64(s.generation%2) * slotB }

// recordHeader is what stands before a record's data.
type recordHeader struct {
	length, device, incarnation uint32
	number, n                   uint64
}

// padded is the room that a record with so much data takes.
func padded(length int) uint64 { return recordHead + (uint64(length)+7)&^7 }

// appendRecord appends a whole record, padding included.
func appendRecord(b []byte, h recordHeader, data []byte) []byte {
	le, start := binary.LittleEndian, len(b)
	b = append(b, recordMagic...)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint32(b, h.length)
	b = le.AppendUint32(b, h.device)
	b = le.AppendUint32(b, h.incarnation)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, h.number)
	b = le.AppendUint64(b, h.n)
	b = append(b, data...)
	le.PutUint32(b[start+4:], crc32.Checksum(b[start+8:], castagnoli))
	for len(b)%8 != start%8 {
		b = append(b, 0)
	}
	return b
}

// readRecord reads the record at a file offset, whose data may have at most
// room bytes; false when there is none or it is not whole.
func readRecord(r io.ReaderAt, at int64, room uint64, scratch []byte) (h recordHeader, data, reuse []byte, ok bool) {
	le := binary.LittleEndian
	scratch = grow(scratch, recordHead)
	if _, err := r.ReadAt(scratch, at); err != nil || string(scratch[:4]) != recordMagic {
		return h, nil, scratch, false
	}
	h = recordHeader{le.Uint32(scratch[8:]), le.Uint32(scratch[12:]), le.Uint32(scratch[16:]), le.Uint64(scratch[24:]), le.Uint64(scratch[32:])}
	length := h.length
	if length == skipLength {
		length = 0
	}
	if uint64(length) > room {
		return h, nil, scratch, false
	}
	scratch = grow(scratch, recordHead+int(length))
	if _, err := r.ReadAt(scratch, at); err != nil {
		return h, nil, scratch, false
	}
	ok = le.Uint32(scratch[4:]) == crc32.Checksum(scratch[8:], castagnoli)
	return h, scratch[recordHead:], scratch, ok
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
