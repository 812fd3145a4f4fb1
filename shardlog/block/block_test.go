package block_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

var at = time.Date(2026, 11, 24, 8, 0, 0, 123_000_000, time.UTC)

type placed struct {
	shard uint32
	entry shardlog.Entry
}

// seal puts the entries into a block; run i begins at 1000·(i+1).
func seal(t testing.TB, b *block.Builder, entries []placed) []byte {
	t.Helper()
	raw := 0
	for i, p := range entries {
		b.Add(p.shard, p.entry)
		raw += p.entry.Size() + len(p.entry.Meta)
		if b.Records() != i+1 || b.Bytes() != raw {
			t.Fatalf("after %d entries: %d records, %d bytes, want %d", i+1, b.Records(), b.Bytes(), raw)
		}
	}
	sealed, err := b.Seal(block.Head{Stream: 7, At: at, Clock: block.Unsynced}, firstOf)
	if err != nil {
		t.Fatal(err)
	}
	if cap(sealed) != len(sealed) {
		t.Errorf("sealed bytes hold %d, need %d", cap(sealed), len(sealed))
	}
	return sealed
}

func firstOf(shard uint32) shardlog.Seq { return shardlog.Seq(shard)*1000 + 1 }

// check opens the block and compares it with what went in.
func check(t testing.TB, sealed []byte, entries []placed) {
	t.Helper()
	bl, err := block.Open(sealed)
	if err != nil {
		t.Fatal(err)
	}
	h := bl.Header()
	if h.Stream != 7 || !h.At.Equal(at) || h.Clock != block.Unsynced || h.Records != len(entries) {
		t.Fatalf("header %+v", h)
	}
	peeked, err := block.Peek(sealed)
	if err != nil || fmt.Sprint(peeked) != fmt.Sprint(h) {
		t.Fatalf("Peek = %+v, %v; Open says %+v", peeked, err, h)
	}
	next, raw := map[uint32]int{}, 0
	for _, p := range entries {
		run, ok := bl.Find(p.shard)
		if !ok {
			t.Fatalf("no run of shard %d", p.shard)
		}
		i := next[p.shard]
		next[p.shard]++
		compare(t, bl.Record(run, i), p, i)
		raw += p.entry.Size() + len(p.entry.Meta)
	}
	if h.Raw != raw || len(h.Runs) != len(next) {
		t.Fatalf("raw %d of %d runs, want %d of %d", h.Raw, len(h.Runs), raw, len(next))
	}
}

func compare(t testing.TB, r shardlog.Record, p placed, i int) {
	t.Helper()
	e := p.entry
	if r.Seq != firstOf(p.shard)+shardlog.Seq(i) || !r.Arrived.Equal(at) || r.Key != e.Key || !bytes.Equal(r.Data, e.Data) || !bytes.Equal(r.Meta, e.Meta) {
		t.Fatalf("shard %d record %d = %+v, want %+v", p.shard, i, r, e)
	}
	if (r.Hash == nil) != (e.Hash == nil) || r.Hash != nil && *r.Hash != *e.Hash {
		t.Fatalf("shard %d record %d has hash %v, want %v", p.shard, i, r.Hash, e.Hash)
	}
}

func TestSealOpen(t *testing.T) {
	long := strings.Repeat("k", 256)
	tests := map[string][]placed{
		"one":               {{3, shardlog.Entry{Key: "k", Data: []byte("d")}}},
		"nothing in it":     {{0, shardlog.Entry{}}},
		"empty data":        {{0, shardlog.Entry{Key: "a"}}, {0, shardlog.Entry{Key: "b", Data: []byte{}}}},
		"key in data":       {{0, shardlog.Entry{Key: "client-1", Data: []byte(`{"id":"client-1"}`)}}},
		"key in meta":       {{0, shardlog.Entry{Key: "client-1", Data: []byte("21.5"), Meta: []byte("d/client-1/t")}}},
		"key is data, meta": {{0, shardlog.Entry{Key: "client-1", Data: []byte("client-1"), Meta: []byte("client-1")}}},
		"key twice":         {{0, shardlog.Entry{Key: "aaaa", Data: []byte("aaaaaaaa"), Meta: []byte("baaaaaaaab")}}},
		"key too far":       {{0, shardlog.Entry{Key: "late", Data: []byte(long + "late"), Meta: []byte(long + "late")}}},
		"key at the edge":   {{0, shardlog.Entry{Key: "edge", Data: []byte(long[4:] + "edge"), Meta: []byte(long[3:] + "edge")}}},
		"long key":          {{0, shardlog.Entry{Key: long + long, Data: []byte(long + long)}}},
		"some with meta":    {{0, shardlog.Entry{Key: "aaaa"}}, {1, shardlog.Entry{Key: "b", Meta: []byte("m")}}, {0, shardlog.Entry{Key: "c"}}},
		"some with hash":    {{1, shardlog.Entry{Key: "a", Hash: &shardlog.Hash{Hi: 1, Lo: 2}}}, {0, shardlog.Entry{Key: "b"}}, {1, shardlog.Entry{Key: "c", Hash: &shardlog.Hash{}}}},
		"highest shard":     {{^uint32(0), shardlog.Entry{Key: "a"}}},
		"a megabyte":        {{0, shardlog.Entry{Key: "video", Data: noise(1 << 20)}}, {1, shardlog.Entry{Key: "a", Data: make([]byte, 1<<20)}}},
	}
	var b block.Builder
	for name, entries := range tests {
		t.Run(name, func(t *testing.T) { check(t, seal(t, &b, entries), entries) })
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestSealOpenAnything(t *testing.T) {
	var b block.Builder
	for seed := range uint64(300) {
		entries := anything(rand.New(rand.NewPCG(seed, 0)))
		check(t, seal(t, &b, entries), entries)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func anything(r *rand.Rand) []placed {
	entries := make([]placed, 1+r.IntN(60))
	shards := 1 + r.Uint32N(20)
	for i := range entries {
		key := words(r, 1+r.IntN(3))
		e := shardlog.Entry{Key: key, Data: []byte(words(r, r.IntN(40)))}
		if r.IntN(2) == 0 {
			e.Data = append(e.Data, key+words(r, 2)...)
		}
		if r.IntN(3) == 0 {
			e.Meta = []byte(words(r, r.IntN(3)) + key + words(r, r.IntN(3)))
		}
		if r.IntN(5) == 0 {
			e.Hash = &shardlog.Hash{Hi: r.Uint64(), Lo: r.Uint64()}
		}
		entries[i] = placed{r.Uint32N(shards), e}
	}
	return entries
}

func words(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString([]string{"dev", "/", "aaaa", "0", "temperature", "é", "\x00", "a"}[r.IntN(8)])
	}
	return b.String()
}

func TestOriginsSurvive(t *testing.T) {
	var b block.Builder
	origin := at.Add(-3 * time.Hour)
	entries := []placed{
		{1, shardlog.Entry{Key: "a", Data: []byte("spooled"), Origin: origin}},
		{1, shardlog.Entry{Key: "b", Data: []byte("direct")}},
		{2, shardlog.Entry{Key: "c", Data: []byte("spooled too"), Origin: time.UnixMilli(0)}},
	}
	bl, err := block.Open(seal(t, &b, entries))
	if err != nil {
		t.Fatal(err)
	}
	got := []shardlog.Record{bl.Record(0, 0), bl.Record(0, 1), bl.Record(1, 0)}
	if !got[0].Origin.Equal(origin) || !got[1].Origin.IsZero() || got[2].Origin.UnixMilli() != 0 {
		t.Fatalf("origins %v %v %v", got[0].Origin, got[1].Origin, got[2].Origin)
	}
}

func TestAddNumbersRuns(t *testing.T) {
	var b block.Builder
	for i, want := range []struct {
		shard uint32
		run   int
	}{{9, 0}, {2, 1}, {9, 0}, {0, 2}, {2, 1}} {
		if run := b.Add(want.shard, shardlog.Entry{Key: "k"}); run != want.run {
			t.Errorf("entry %d: run %d, want %d", i, run, want.run)
		}
	}
	if got, want := fmt.Sprint(b.Runs()), "[{9 0 2} {2 0 2} {0 0 1}]"; got != want {
		t.Errorf("runs %s, want %s", got, want)
	}
	b.Reset()
	if run := b.Add(2, shardlog.Entry{Key: "k"}); run != 0 || b.Records() != 1 || b.Bytes() != 1 {
		t.Errorf("after Reset: run %d, %d records, %d bytes", run, b.Records(), b.Bytes())
	}
}

func TestSealRefuses(t *testing.T) {
	tests := map[string]struct {
		entries []shardlog.Entry
		head    block.Head
		first   shardlog.Seq
	}{
		"no entries":  {nil, block.Head{At: at}, 1},
		"no first":    {[]shardlog.Entry{{Key: "k"}}, block.Head{At: at}, 0},
		"before 1970": {[]shardlog.Entry{{Key: "k"}}, block.Head{At: time.Unix(-1, 0)}, 1},
		"no clock":    {[]shardlog.Entry{{Key: "k"}}, block.Head{At: at, Clock: 3}, 1},
		"too large":   {[]shardlog.Entry{{Key: "k", Data: make([]byte, block.MaxFrame)}}, block.Head{At: at}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b block.Builder
			for _, e := range test.entries {
				b.Add(0, e)
			}
			_, err := b.Seal(test.head, func(uint32) shardlog.Seq { return test.first })
			if err == nil || shardlog.KindOf(err) != shardlog.Invalid {
				t.Fatalf("err %v, want Invalid", err)
			}
			if b.Records() != 0 || b.Bytes() != 0 {
				t.Errorf("the builder still holds %d records", b.Records())
			}
		})
	}
}

func TestEveryFlipIsFound(t *testing.T) {
	var b block.Builder
	for _, n := range []int{1, 3, 40} {
		sealed := seal(t, &b, telemetry(rand.New(rand.NewPCG(1, 1)), n))
		for i := range sealed {
			for _, mask := range []byte{1, 0x80, 0xff} {
				sealed[i] ^= mask
				if _, err := block.Open(sealed); err == nil || shardlog.KindOf(err) != shardlog.Corrupt {
					t.Fatalf("byte %d of %d flipped by %02x: %v", i, len(sealed), mask, err)
				}
				if _, err := block.Inspect(sealed); err == nil {
					t.Fatalf("byte %d of %d flipped by %02x: Inspect found nothing", i, len(sealed), mask)
				}
				sealed[i] ^= mask
			}
			if _, err := block.Open(sealed[:i]); err == nil {
				t.Fatalf("cut to %d of %d: Open found nothing", i, len(sealed))
			}
		}
	}
}

func TestOpenKeepsNothingOfItsInput(t *testing.T) {
	var b block.Builder
	for name, data := range map[string][]byte{"raw": noise(5000), "compressed": bytes.Repeat([]byte("x"), 5000)} {
		t.Run(name, func(t *testing.T) {
			sealed := seal(t, &b, []placed{{0, shardlog.Entry{Key: "k", Data: data}}})
			bl, err := block.Open(sealed)
			if err != nil {
				t.Fatal(err)
			}
			clear(sealed)
			if r := bl.Record(0, 0); r.Key != "k" || !bytes.Equal(r.Data, data) {
				t.Error("the record changed with the input")
			}
			if bl.Size() < 5000 || bl.Size() > 6000 {
				t.Errorf("Size() = %d", bl.Size())
			}
		})
	}
}
