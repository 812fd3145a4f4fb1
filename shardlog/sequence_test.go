package shardlog_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"headgate/shardlog"
)

// layout is the number written digit by digit from the description of
// Kinesis's format, in hex: version 2, create time, low nibble of the shard,
// index, a zero byte, arrival time, shard, version 2.
func layout(n shardlog.SequenceNumber) string {
	hex := fmt.Sprintf("2%09x%01x%016x00%09x%08x2", n.Created, n.Shard&0xf, uint64(n.Index), n.Stamp, n.Shard)
	v, ok := new(big.Int).SetString(hex, 16)
	if !ok || len(hex) != 47 {
		panic("not 47 hex digits: " + hex)
	}
	return v.String()
}

func TestSequenceNumberHasKinesisLayout(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	numbers := []shardlog.SequenceNumber{
		{},
		{Created: 1764000000, Shard: 0, Index: 1, Stamp: 1764000001},
		{Created: 1<<36 - 1, Shard: math.MaxUint32, Index: 1<<63 - 1, Stamp: 1<<36 - 1},
	}
	for range 5000 {
		n := shardlog.SequenceNumber{Created: r.Uint64N(1 << 36), Shard: r.Uint32(), Index: shardlog.Seq(r.Uint64() >> 1), Stamp: r.Uint64N(1 << 36)}
		n.Index >>= r.UintN(63)
		n.Shard >>= r.UintN(32)
		numbers = append(numbers, n)
	}
	for _, n := range numbers {
		text := n.String()
		if want := layout(n); text != want {
			t.Fatalf("%+v is %s, want %s", n, text, want)
		}
		if got, err := shardlog.ParseSequenceNumber(text); err != nil || got != n {
			t.Fatalf("%s parses as %+v, %v, want %+v", text, got, err, n)
		}
	}
}

// Numbers that Kinesis gave, as its documentation and that of Lambda print
// them, with the shard beside them there.
func TestSequenceNumberReadsThoseOfKinesis(t *testing.T) {
	tests := []struct {
		text           string
		shard          uint32
		created, stamp uint64
	}{
		{"49590338271490256608559692538361571095921575989136588898", 6, 1542776258, 1545084650},
		{"49590338271490256608559692540925702759324208523137515618", 6, 1542776258, 1545084709},
		{"49543463076548007577105092703039560359975228518395019266", 0, 1411403981, 1411431220},
		{"49546986683135544286507457936321625675700192471156785154", 0, 1421279230, 1421279386},
	}
	for _, test := range tests {
		n, err := shardlog.ParseSequenceNumber(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if n.Shard != test.shard || n.Stamp != test.stamp || n.Created != test.created || n.Index == 0 {
			t.Errorf("%s is %s in shard %d created %d, arrived %d", test.text, n, n.Shard, n.Created, n.Stamp)
		}
		if n.String() != test.text || layout(n) != test.text {
			t.Errorf("%s is written as %s", test.text, n)
		}
	}
}

func TestSequenceNumbersSortAsTheirRecords(t *testing.T) {
	shard := shardlog.Shard{ID: shardlog.ShardID{Stream: 1, Number: 3}, Created: 1764000000, Ended: time.Unix(1764009999, 0)}
	at := time.Unix(1764000005, 987_000_000)
	ordered := []string{shard.First().String(), shard.Number(1, at).String(), shard.Number(2, at).String(),
		shard.Number(1<<40, at.Add(-time.Hour)).String(), shard.Last().String()}
	child := shardlog.Shard{ID: shardlog.ShardID{Stream: 1, Number: 4}, Created: 1764010000}
	ordered = append(ordered, child.First().String())
	for i, text := range ordered {
		if len(text) != 56 {
			t.Errorf("%s has %d digits", text, len(text))
		}
		if i > 0 && text <= ordered[i-1] {
			t.Errorf("%s follows %s", text, ordered[i-1])
		}
	}
}

func TestParseSequenceNumberRefuses(t *testing.T) {
	good := shardlog.SequenceNumber{Created: 1764000000, Shard: 5, Index: 77, Stamp: 1764000001}
	whole, _ := new(big.Int).SetString(good.String(), 10)
	changed := func(bit int) string {
		v := new(big.Int).SetBit(whole, bit, 1-whole.Bit(bit))
		return v.String()
	}
	for _, text := range []string{
		"", "0", "1", "-1", "x", good.String()[1:], "0" + good.String(), good.String() + "0", " " + good.String()[1:], "+" + good.String()[1:],
		"21269319989900637946712965403778482371",                   // version 1
		"99999999999999999999999999999999999999999999999999999999", // 56 digits, more than 186 bits
		"00000000000000000000000000000000000000000000000000000002", // leading zeros
		changed(0), changed(1), changed(72), changed(79), changed(143), changed(144), changed(147), changed(184), changed(186),
	} {
		if n, err := shardlog.ParseSequenceNumber(text); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%q parses as %+v, %v, want Invalid", text, n, err)
		}
	}
}

// TestChildrenSortAboveParentsUnderAnyClock gives the clock of a split every
// error a board's clock has, twice in a row.
func TestChildrenSortAboveParentsUnderAnyClock(t *testing.T) {
	stamp := time.Unix(1764010000, 0)
	for _, now := range []time.Time{time.Unix(0, 0), time.Unix(-5, 0), stamp.AddDate(-1, 0, 0), stamp, stamp.AddDate(30, 0, 0)} {
		parent := shardlog.Shard{ID: shardlog.ShardID{Stream: 1, Number: 9}, Created: 1764000000, Next: 500}
		for generation := range uint32(3) {
			newest := parent.Number(parent.Next-1, stamp)
			child := shardlog.Shard{ID: shardlog.ShardID{Stream: 1, Number: generation}, Created: shardlog.ChildCreated(now, stamp, parent), Next: 2}
			first := child.Number(1, stamp)
			if first.String() <= newest.String() || first.String() <= parent.Last().String() {
				t.Errorf("clock at %v: child %v, parent %v, its end %v", now, first, newest, parent.Last())
			}
			parent = child
		}
	}
}

func FuzzParseSequenceNumber(f *testing.F) {
	f.Add(shardlog.SequenceNumber{Created: 1764000000, Index: 7, Stamp: 1764000001}.String())
	f.Add("99999999999999999999999999999999999999999999999999999999")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := shardlog.ParseSequenceNumber(text); err == nil && (n.String() != text || layout(n) != text) {
			t.Errorf("%s is written as %s", text, n)
		}
	})
}

func BenchmarkSequenceNumberAppend(b *testing.B) {
	n := shardlog.SequenceNumber{Created: 1764000000, Shard: 5, Index: 77, Stamp: 1764000001}
	var space [64]byte
	for b.Loop() {
		n.Append(space[:0])
	}
}
