package block_test

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

// FuzzOpen hands Open bytes whose checksum is right, so that what lies behind
// the checksum is tried as well.
func FuzzOpen(f *testing.F) {
	var b block.Builder
	for _, n := range []int{1, 2, 30} {
		sealed := seal(f, &b, telemetry(rand.New(rand.NewPCG(5, uint64(n))), n))
		f.Add(sealed[:len(sealed)-4])
	}
	sealed := seal(f, &b, []placed{{1, shardlog.Entry{Key: "abcd", Data: []byte("xabcdx"), Meta: []byte("yabcd"), Hash: &shardlog.Hash{Lo: 5}}}})
	f.Add(sealed[:len(sealed)-4])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := block.Open(body); err != nil && shardlog.KindOf(err) != shardlog.Corrupt {
			t.Errorf("Open: %v, want Corrupt", err)
		}
		_, _ = block.Peek(body)
		whole := binary.LittleEndian.AppendUint32(append([]byte(nil), body...), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		_, inspected := block.Inspect(whole)
		bl, err := block.Open(whole)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Corrupt {
				t.Errorf("Open: %v, want Corrupt", err)
			}
			return
		}
		if inspected != nil {
			t.Errorf("Open takes what Inspect does not: %v", inspected)
		}
		walk(t, bl)
	})
}

// walk reads every record of the block.
func walk(t *testing.T, bl *block.Block) {
	raw, records := 0, 0
	for run, r := range bl.Header().Runs {
		for i := range int(r.Count) {
			record := bl.Record(run, i)
			raw += record.Size() + len(record.Meta)
			records++
		}
	}
	if h := bl.Header(); raw != h.Raw || records != h.Records {
		t.Errorf("%d bytes in %d records, the header says %d in %d", raw, records, h.Raw, h.Records)
	}
}
