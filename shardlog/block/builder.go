package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/klauspost/compress/zstd"

	"headgate/shardlog"
)

// Builder collects entries and seals them into a block. Its zero value is
// ready; it is meant to be used again and again, because it owns an encoder
// (about 300 KB once it has sealed something). It is not safe for concurrent
// use.
type Builder struct {
	runs    []pending
	ordinal map[uint32]int // of a shard in runs
	records int
	bytes   int

	// scratch, kept between blocks
	encoder *zstd.Encoder
	rows    []row
	frame   []byte
	packed  []byte
}

// pending is a run that is still open.
type pending struct {
	shard   uint32
	entries []shardlog.Entry
}

// keptScratch is the most scratch that stays between blocks: one large
// record shall not hold its size forever.
const keptScratch = 256 << 10

// Add appends the entry to the shard's run, and answers that run's ordinal:
// runs are numbered in the order in which their shards first appear. It
// copies nothing: key, data, meta and hash must stay as they are until Seal
// or Reset returned.
func (b *Builder) Add(shard uint32, e shardlog.Entry) (run int) {
	run, ok := b.ordinal[shard]
	if !ok {
		run = b.open(shard)
	}
	b.runs[run].entries = append(b.runs[run].entries, e)
	b.records++
	b.bytes += e.Size() + len(e.Meta)
	return run
}

// open begins the shard's run, in the memory of an earlier one if there is any.
func (b *Builder) open(shard uint32) (run int) {
	if b.ordinal == nil {
		b.ordinal = make(map[uint32]int)
	}
	run = len(b.runs)
	b.ordinal[shard] = run
	if run < cap(b.runs) {
		b.runs = b.runs[:run+1]
		b.runs[run].shard = shard
	} else {
		b.runs = append(b.runs, pending{shard: shard})
	}
	return run
}

// Records is the number of entries added since the last Seal.
func (b *Builder) Records() int { return b.records }

// Bytes is the size of their keys, data and metas.
func (b *Builder) Bytes() int { return b.bytes }

// Runs are the runs so far, each with its Count; First is still zero.
func (b *Builder) Runs() []Run {
	runs := make([]Run, len(b.runs))
	for i := range b.runs {
		runs[i] = Run{Shard: b.runs[i].shard, Count: uint32(len(b.runs[i].entries))}
	}
	return runs
}

// Reset forgets what was added.
func (b *Builder) Reset() {
	for i := range b.runs {
		clear(b.runs[i].entries)
		b.runs[i].entries = b.runs[i].entries[:0]
	}
	b.runs = b.runs[:0]
	clear(b.ordinal)
	b.records, b.bytes = 0, 0
	b.rows = b.rows[:0]
	b.frame, b.packed = kept(b.frame), kept(b.packed)
}

func kept(b []byte) []byte {
	if cap(b) > keptScratch {
		return nil
	}
	return b[:0]
}

// Seal makes a block of what was added and forgets it, also when it fails.
// first says which sequence number each run begins with. The bytes answered
// are fresh, exactly as long as needed, and the caller's. No entries, more
// than MaxFrame bytes, a first of zero and a time before 1970 are Invalid.
func (b *Builder) Seal(h Head, first func(shard uint32) shardlog.Seq) ([]byte, error) {
	defer b.Reset()
	header, err := b.header(h, first)
	if err != nil {
		return nil, err
	}
	b.frame, b.rows = appendFrame(b.frame[:0], b.runs, b.rows[:0])
	if len(b.frame) > MaxFrame {
		return nil, shardlog.Errorf(shardlog.Invalid, "seal block", "%d bytes in one block, %d are allowed", len(b.frame), MaxFrame)
	}
	payload, codec, err := b.compress(h.Raw)
	if err != nil {
		return nil, fmt.Errorf("seal block: %w", err)
	}
	var space [512]byte
	head := appendHeader(space[:0], header, codec)
	out := make([]byte, 0, len(head)+len(payload)+sumBytes)
	out = append(append(out, head...), payload...)
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli)), nil
}

func (b *Builder) header(h Head, first func(shard uint32) shardlog.Seq) (Header, error) {
	bad := func(format string, args ...any) (Header, error) {
		return Header{}, shardlog.Errorf(shardlog.Invalid, "seal block", format, args...)
	}
	if b.records == 0 || b.records > maxRecords {
		return bad("%d entries, 1 to %d are allowed", b.records, maxRecords)
	}
	if b.bytes > MaxFrame {
		return bad("%d bytes in one block, %d are allowed", b.bytes, MaxFrame)
	}
	if ms := h.At.UnixMilli(); ms < 0 || ms > maxUnixTime || h.Clock > Stepped {
		return bad("arrival %v by a clock that is %v", h.At, h.Clock)
	}
	runs := b.Runs()
	for i := range runs {
		runs[i].First = first(runs[i].Shard)
		if runs[i].First == 0 || runs[i].First > math.MaxInt64 {
			return bad("run of shard %d begins at %d", runs[i].Shard, runs[i].First)
		}
	}
	return Header{Stream: h.Stream, At: h.At, Clock: h.Clock, Runs: runs, Raw: b.bytes, Records: b.records}, nil
}

// compress is the frame as it will be stored: as it is when compression gains
// less than one part in twenty, so that reading video costs no decoder.
func (b *Builder) compress(raw bool) (payload []byte, codec byte, err error) {
	if raw {
		return b.frame, codecRaw, nil
	}
	if b.encoder == nil {
		b.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(window),
			zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, 0, err
		}
	}
	b.packed = b.encoder.EncodeAll(b.frame, b.packed[:0])
	if len(b.packed) >= len(b.frame)-len(b.frame)/20 {
		return b.frame, codecRaw, nil
	}
	return b.packed, codecZstd, nil
}

// window is how far back a match may lie: the usual size of a block.
const window = 128 << 10
