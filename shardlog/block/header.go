package block

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"time"

	"headgate/shardlog"
)

// A block begins with
//
//	byte     0xB1: a block, version 1
//	byte     bits 0-1 codec, 2-3 clock, 4 a dictionary id follows, 5-7 zero
//	uvarint  stream
//	uvarint  arrival, Unix milliseconds
//	uvarint  raw bytes
//	uvarint  dictionary id, when bit 4 is set (version 1 never sets it)
//	uvarint  number of runs, then of each: shard, first sequence, count (uvarints)
//
// Then comes the payload, one frame, and last the CRC-32C of all before, in
// four bytes, little-endian.
const (
	magic = 0xB1

	codecRaw  = 0
	codecZstd = 1

	codecMask  = 0b11
	clockShift = 2
	dictionary = 1 << 4
	unused     = 0b111 << 5

	sumBytes    = 4
	leastRun    = 3 // bytes of the shortest run
	maxRecords  = 1 << 20
	maxUnixTime = 1 << 42 // milliseconds: the year 2109, which every uvarint of six bytes can hold
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendHeader(b []byte, h Header, codec byte) []byte {
	b = append(b, magic, codec|byte(h.Clock)<<clockShift)
	b = binary.AppendUvarint(b, uint64(h.Stream))
	b = binary.AppendUvarint(b, uint64(h.At.UnixMilli()))
	b = binary.AppendUvarint(b, uint64(h.Raw))
	b = binary.AppendUvarint(b, uint64(len(h.Runs)))
	for _, r := range h.Runs {
		b = binary.AppendUvarint(b, uint64(r.Shard))
		b = binary.AppendUvarint(b, uint64(r.First))
		b = binary.AppendUvarint(b, uint64(r.Count))
	}
	return b
}

// Peek reads a block's header and looks at nothing else: neither the checksum
// nor the payload. It is for bytes that were verified before. What it cannot
// read is Corrupt.
func Peek(b []byte) (Header, error) {
	h, _, _, err := readHeader(b)
	return h, err
}

// Inspect verifies the checksum over the whole block and reads its header,
// without decompressing anything. What does not fit is Corrupt.
func Inspect(b []byte) (Header, error) {
	h, _, _, err := verify(b)
	return h, err
}

// verify is Inspect that also answers what Open needs.
func verify(b []byte) (h Header, codec byte, payload []byte, err error) {
	if len(b) < sumBytes {
		return Header{}, 0, nil, corrupt("%d bytes are no block", len(b))
	}
	body := b[:len(b)-sumBytes]
	if got, want := crc32.Checksum(body, castagnoli), binary.LittleEndian.Uint32(b[len(body):]); got != want {
		return Header{}, 0, nil, corrupt("checksum is %08x, %08x is written", got, want)
	}
	h, codec, payload, err = readHeader(b)
	if err == nil && twice(h.Runs) {
		err = corrupt("two runs of one shard")
	}
	return h, codec, payload, err
}

func readHeader(b []byte) (h Header, codec byte, payload []byte, err error) {
	if len(b) < 2+sumBytes || b[0] != magic {
		return Header{}, 0, nil, corrupt("no block of version 1")
	}
	r := reader{b: b[2 : len(b)-sumBytes]}
	flags := b[1]
	codec = flags & codecMask
	h.Clock = Clock(flags >> clockShift & codecMask)
	if codec > codecZstd || h.Clock > Stepped || flags&(unused|dictionary) != 0 {
		return Header{}, 0, nil, corrupt("flags %08b are not of version 1", flags)
	}
	h.Stream = shardlog.StreamID(r.uvarint(math.MaxUint32))
	h.At = time.UnixMilli(int64(r.uvarint(maxUnixTime))).UTC()
	h.Raw = int(r.uvarint(MaxFrame))
	runs := r.uvarint(uint64(len(r.b) / leastRun))
	h.Runs = make([]Run, 0, runs)
	for range runs {
		run := Run{
			Shard: uint32(r.uvarint(math.MaxUint32)),
			First: shardlog.Seq(r.uvarint(math.MaxInt64)),
			Count: uint32(r.uvarint(maxRecords)),
		}
		r.bad = r.bad || run.First == 0 || run.Count == 0
		h.Runs = append(h.Runs, run)
		h.Records += int(run.Count)
		r.bad = r.bad || h.Records > maxRecords
	}
	if r.bad || h.Records == 0 {
		return Header{}, 0, nil, corrupt("header does not read")
	}
	return h, codec, r.b, nil
}

func twice(runs []Run) bool {
	if len(runs) < 2 {
		return false
	}
	seen := make(map[uint32]struct{}, len(runs))
	for _, r := range runs {
		seen[r.Shard] = struct{}{}
	}
	return len(seen) < len(runs)
}

func corrupt(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Corrupt, "open block", format, args...)
}

// reader takes numbers off a piece of bytes. Once something was wrong it is
// bad and answers zeros.
type reader struct {
	b   []byte
	bad bool
}

// uvarint is the next number, at most max, in its shortest form.
func (r *reader) uvarint(max uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > max || n > 1 && r.b[n-1] == 0 {
		r.bad = true
	}
	if r.bad {
		return 0
	}
	r.b = r.b[n:]
	return v
}

// take is the next n bytes.
func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad = true
	}
	if r.bad {
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}
