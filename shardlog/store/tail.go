package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble takes a bad chunk of its newest write-ahead log for the end that a
// power cut tore, unless a chunk in a later block of 32 KiB says that the log
// had been synced beyond it. A bad chunk in the last block would so be
// forgotten in silence, with every acknowledged record behind it; on a quiet
// gateway that block reaches back for days. So the rest of that block is
// searched for such a chunk before Pebble opens the log:
//
//	+--------+-----------+---------+-----------+-------------+---------+
//	| CRC    | size      | type    | log       | synced up to| payload |
//	|  4, LE |  2, LE    |  1      |  4, LE    |  8, LE      |         |
//	+--------+-----------+---------+-----------+-------------+---------+
//	type 9 to 12; the masked CRC-32C is of all that follows it
const (
	walBlock    = 32 << 10
	chunkHeader = 19
	chunkFirst  = 9
	chunkLast   = 12
)

// errRottenTail says where a log is damaged although it was synced beyond.
type errRottenTail struct {
	file       string
	at, synced uint64
}

func (e errRottenTail) Error() string {
	return fmt.Sprintf("write-ahead log %s is damaged at %d and was synced up to %d", e.file, e.at, e.synced)
}

// checkTail answers errRottenTail when the newest log of a Pebble lost
// something that had been synced.
func checkTail(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("list store: %w", err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".log") })
	if len(names) == 0 {
		return nil
	}
	file := fs.PathJoin(dir, slices.Max(names))
	log, err := strconv.ParseUint(strings.TrimSuffix(path.Base(file), ".log"), 10, 64)
	if err != nil {
		return nil // not one of Pebble's
	}
	good, bad, err := goodPrefix(fs, file)
	if err != nil || !bad {
		return err
	}
	start := uint64(good) / walBlock * walBlock
	rest, err := readBehind(fs, file, int64(start))
	if err != nil {
		return err
	}
	t := logTail{bytes: rest, log: uint32(log)}
	at, synced := t.damage(int(uint64(good) - start))
	if synced <= start+uint64(at) {
		return nil // the end of the log
	}
	return errRottenTail{path.Base(file), start + uint64(at), synced}
}

func readBehind(fs vfs.FS, file string, at int64) ([]byte, error) {
	f, err := fs.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	rest := make([]byte, max(info.Size()-at, 0))
	if _, err := f.ReadAt(rest, at); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read log: %w", err)
	}
	return rest, nil
}

// logTail is a log from the beginning of a block on.
type logTail struct {
	bytes []byte
	log   uint32
}

// damage walks over good chunks from a place on. It answers where the first
// bad one is, and how far the log was synced as the chunks behind it in its
// block tell.
func (t logTail) damage(from int) (at int, synced uint64) {
	for at = from; at < len(t.bytes); {
		size, _ := t.chunk(at)
		if left := walBlock - at%walBlock; size == 0 && left >= chunkHeader {
			break
		} else if size == 0 {
			size = left // too little for a chunk
		}
		at += size
	}
	for o := at + 1; o < len(t.bytes) && o/walBlock == at/walBlock; o++ {
		if size, s := t.chunk(o); size > 0 {
			synced = max(synced, s)
		}
	}
	return at, synced
}

// chunk is the size of the chunk at a place, zero when none is there, and how
// far it says that the log was synced.
func (t logTail) chunk(at int) (size int, synced uint64) {
	b := t.bytes[at:min(len(t.bytes), (at/walBlock+1)*walBlock)]
	if len(b) < chunkHeader || b[6] < chunkFirst || b[6] > chunkLast || binary.LittleEndian.Uint32(b[7:]) != t.log {
		return 0, 0
	}
	size = chunkHeader + int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) || binary.LittleEndian.Uint32(b) != maskedCRC(b[6:size]) {
		return 0, 0
	}
	return size, binary.LittleEndian.Uint64(b[11:])
}

func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (c>>15 | c<<17) + 0xa282ead8
}
