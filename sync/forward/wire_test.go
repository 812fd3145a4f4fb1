package forward

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/block"
)

var sample = shardlog.Numbered{
	ID: shardlog.BundleID{Gateway: 1 << 60, Incarnation: 3, Number: 1000}, Settled: 998, Stream: "temperatures", Drained: true,
	Entries: []shardlog.Entry{
		{Key: "a", Data: []byte("1"), Meta: []byte("m"), Hash: &shardlog.Hash{Hi: 1, Lo: 2}, Origin: time.UnixMilli(123456).UTC()},
		{Key: "b", Data: []byte{}},
	},
	With: []shardlog.Mutation{
		{Space: "q", Key: "k", Value: []byte{}, Expect: shardlog.Absent()},
		{Space: "q", Key: "l", Expect: shardlog.At(7)},
		{Space: "q", Key: "m", Value: []byte("v")},
	},
}

func TestPutsComeThrough(t *testing.T) {
	plain := shardlog.Numbered{ID: shardlog.BundleID{Number: 1}, Stream: "s", Entries: []shardlog.Entry{}}
	term, puts, err := decodePuts(encodePuts(9, [][]byte{encodePut(sample), encodePut(plain)}))
	if err != nil || term != 9 || !reflect.DeepEqual(puts, []shardlog.Numbered{sample, plain}) {
		t.Fatalf("%d %+v %v", term, puts, err)
	}
}

func TestOutcomesComeThrough(t *testing.T) {
	shard := shardlog.ShardID{Stream: 4, Number: 5}
	fault := &shardlog.Error{Kind: shardlog.Throttled, Op: "take quota", Stream: "s", Shard: &shard, RetryAfter: time.Second, Err: errors.New("slow")}
	want := []outcome{
		{taken: shardlog.Taken{Index: 77, Results: []shardlog.Result{
			{Shard: shard, Number: shardlog.SequenceNumber{Created: 1, Shard: 5, Index: 6, Stamp: 7}}, {Shard: shard, Err: fault}}}},
		{err: fault},
		{err: &shardlog.Error{Kind: shardlog.Internal, Err: errors.New("foreign")}},
	}
	v, r := openAnswer(encodeOutcomes(88, []outcome{want[0], want[1], {err: errors.New("foreign")}}))
	got := r.outcomes()
	for i := range want {
		want[i].applied = 88
	}
	if v != done || r.end("") != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v %+v", v, got)
	}
	for _, v := range []verdict{notLeading, busy, malformed} {
		if got, _ := openAnswer(encodeRefusal(v)); got != v || got.err() == nil {
			t.Errorf("%v became %v", v, got)
		}
	}
}

func TestOrdersComeThrough(t *testing.T) {
	for _, o := range []order{
		{op: opCreate, spec: shardlog.StreamSpec{Name: "s", Shards: -1, Retention: -time.Hour, Class: 3}},
		{op: opDelete, spec: shardlog.StreamSpec{Name: "s"}},
		{op: opRetention, spec: shardlog.StreamSpec{Name: "s", Retention: time.Hour}},
		{op: opSplit, shards: [2]shardlog.ShardID{{Stream: 3, Number: 7}}, start: shardlog.Hash{Hi: 1 << 63, Lo: 5}},
		{op: opMerge, shards: [2]shardlog.ShardID{{Stream: 3, Number: 7}, {Stream: 3, Number: 8}}},
		{op: opMutate, changes: sample.With},
		{op: opConcede, changes: sample.With, gaps: []shardlog.Gap{{Stream: "s", Shard: shardlog.ShardID{Stream: 2}, Records: 3, Bytes: 4,
			Reason: shardlog.SpoolFull, At: time.UnixMilli(5).UTC()}}},
	} {
		term, got, err := decodeOrder(encodeOrder(3, o))
		if err != nil || term != 3 || !reflect.DeepEqual(got, o) {
			t.Errorf("%+v became %+v, %v", o, got, err)
		}
	}
	if _, _, err := decodeOrder(encodeOrder(3, order{op: 99})); err == nil {
		t.Error("an order of no kind")
	}
}

func sampleRow() row {
	at := time.UnixMilli(1_700_000_000_000).UTC()
	entries := func(key string, n int) (all []shardlog.Entry) {
		for range n {
			all = append(all, shardlog.Entry{Key: key, Data: []byte(strings.Repeat("temperature ", 20)), Meta: []byte("m"), Hash: &shardlog.Hash{Lo: 9}, Origin: at})
		}
		return all
	}
	id := func(n uint64) shardlog.BundleID { return shardlog.BundleID{Gateway: 1, Incarnation: 2, Number: n} }
	return row{at: at, total: 1000, items: []item{
		{id: id(5), settled: 4, stream: "a", entries: entries("x", 10)},
		{id: id(6), settled: 4, stream: "b", entries: entries("y", 3), with: sample.With},
		{id: id(7), settled: 4, stream: "a", entries: entries("z", 2)},
		{id: id(8), settled: 4, with: sample.With[2:]},
	}}
}

func TestRowsComeThrough(t *testing.T) {
	want := sampleRow()
	var b block.Builder
	bytes, err := want.encode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(bytes) > 600 {
		t.Errorf("%d bytes: it is not compressed", len(bytes))
	}
	got, err := decodeRow(bytes)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v\n%+v %v", got, want, err)
	}
	for i := range bytes {
		bytes[i] ^= 0x10
		if _, err := decodeRow(bytes); err == nil {
			t.Errorf("byte %d may change", i)
		}
		bytes[i] ^= 0x10
	}
}

func FuzzDecodePuts(f *testing.F) {
	f.Add(encodePuts(9, [][]byte{encodePut(sample)}))
	f.Add(encodePuts(0, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		term, puts, err := decodePuts(b)
		if err != nil {
			return
		}
		var again [][]byte
		for _, p := range puts {
			again = append(again, encodePut(p))
		}
		term2, puts2, err := decodePuts(encodePuts(term, again))
		if err != nil || term2 != term || len(puts) != len(puts2) {
			t.Fatalf("%v: %d puts became %d", err, len(puts), len(puts2))
		}
		for i := range puts {
			if !bytes.Equal(encodePut(puts2[i]), again[i]) {
				t.Fatalf("put %d changed", i)
			}
		}
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	f.Add(encodeOutcomes(1, []outcome{{taken: shardlog.Taken{Index: 7, Results: make([]shardlog.Result, 3)}}, {err: errBusy}}))
	f.Add(encodeRefusal(busy))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, r := openAnswer(b); v == done {
			all := r.outcomes()
			if r.end("") == nil && len(all) > len(b) {
				t.Fatalf("%d outcomes in %d bytes", len(all), len(b))
			}
		}
	})
}

func FuzzDecodeOrder(f *testing.F) {
	f.Add(encodeOrder(3, order{op: opCreate, spec: shardlog.StreamSpec{Name: "s", Shards: 4}}))
	f.Add(encodeOrder(3, order{op: opConcede, changes: sample.With, gaps: make([]shardlog.Gap, 2)}))
	f.Add(encodeTip(3, shardlog.ShardID{Stream: 1, Number: 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _ = decodeTip(b)
		term, o, err := decodeOrder(b)
		if err != nil {
			return
		}
		if _, again, err := decodeOrder(encodeOrder(term, o)); err != nil || !reflect.DeepEqual(o, again) {
			t.Fatalf("%+v became %+v, %v", o, again, err)
		}
	})
}

func FuzzDecodeRow(f *testing.F) {
	var b block.Builder
	r := sampleRow()
	bytes, err := r.encode(&b)
	if err != nil {
		f.Fatal(err)
	}
	size, n := binary.Uvarint(bytes[1:])
	head := 1 + n
	f.Add(bytes[head:head+int(size)], bytes[head+int(size)+4:])
	f.Fuzz(func(t *testing.T, head, blocks []byte) {
		w := encoder{[]byte{rowVersion}} // the checksum is right, so that the rest is reached
		w.bytes(head)
		w.b = binary.LittleEndian.AppendUint32(w.b, crc32.Checksum(head, castagnoli))
		r, err := decodeRow(append(w.b, blocks...))
		if err != nil {
			return
		}
		var b block.Builder
		again, err := r.encode(&b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeRow(again); err != nil || got.records() != r.records() || len(got.items) != len(r.items) {
			t.Fatalf("%v", err)
		}
	})
}
