package keyspace_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"headgate/shardlog"
	"headgate/shardlog/keyspace"
)

var ring = new(big.Int).Lsh(big.NewInt(1), 128)

func TestEvenIsWhatKinesisDoes(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 7, 16, 1000, 10000} {
		width := new(big.Int).Div(ring, big.NewInt(int64(n)))
		ranges := keyspace.Even(n)
		if len(ranges) != n {
			t.Fatalf("Even(%d) has %d ranges", n, len(ranges))
		}
		for i, r := range ranges {
			from := new(big.Int).Mul(width, big.NewInt(int64(i)))
			to := new(big.Int).Mul(width, big.NewInt(int64(i+1)))
			if i == n-1 {
				to.Set(ring)
			}
			to.Sub(to, big.NewInt(1))
			if r.From.String() != from.String() || r.To.String() != to.String() {
				t.Fatalf("Even(%d)[%d] = %v to %v, want %v to %v", n, i, r.From, r.To, from, to)
			}
		}
	}
	if keyspace.Even(0) != nil || keyspace.Even(-1) != nil {
		t.Error("no parts have ranges")
	}
}

func shardsOf(ranges []keyspace.Range) []shardlog.Shard {
	shards := make([]shardlog.Shard, len(ranges))
	for i, r := range ranges {
		shards[i] = shardlog.Shard{ID: shardlog.ShardID{Stream: 1, Number: uint32(i)}, From: r.From, To: r.To}
	}
	return shards
}

func TestFind(t *testing.T) {
	for _, n := range []int{1, 2, 3, 16, 1000} {
		ranges := keyspace.Even(n)
		shards := shardsOf(ranges)
		rand.New(rand.NewPCG(1, uint64(n))).Shuffle(n, func(i, j int) { shards[i], shards[j] = shards[j], shards[i] })
		ring := keyspace.NewRing(shards)
		if ring.Len() != n {
			t.Fatalf("%d shards, want %d", ring.Len(), n)
		}
		for i, r := range ranges {
			for _, h := range []shardlog.Hash{r.From, r.To, {Hi: r.From.Hi/2 + r.To.Hi/2 + 1}} {
				if id, ok := ring.Find(h); r.Contains(h) && (!ok || id.Number != uint32(i)) {
					t.Fatalf("%d shards: %v is in %v, %v, want shard %d", n, h, id, ok, i)
				}
			}
		}
	}
}

func TestFindPassesOverClosedShards(t *testing.T) {
	shards := shardsOf(keyspace.Even(2))
	shards[0].Closed = true
	ring := keyspace.NewRing(shards)
	if id, ok := ring.Find(shardlog.Hash{}); ok {
		t.Errorf("zero is in %v, which is closed", id)
	}
	if id, ok := ring.Find(shardlog.MaxHash()); !ok || id.Number != 1 {
		t.Errorf("the last place is in %v, %v", id, ok)
	}
	low, high, err := keyspace.Split(keyspace.Range{From: shards[0].From, To: shards[0].To}, shardlog.Hash{Hi: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range []keyspace.Range{low, high} {
		shards = append(shards, shardlog.Shard{ID: shardlog.ShardID{Stream: 1, Number: uint32(2 + i)}, From: r.From, To: r.To})
	}
	ring = keyspace.NewRing(shards)
	for h, want := range map[shardlog.Hash]uint32{{}: 2, low.To: 2, high.From: 3, shards[0].To: 3, shards[1].From: 1} {
		if id, ok := ring.Find(h); !ok || id.Number != want {
			t.Errorf("%v is in %v, %v, want shard %d", h, id, ok, want)
		}
	}
	if _, ok := (keyspace.Ring{}).Find(shardlog.Hash{}); ok {
		t.Error("the zero ring has a shard")
	}
}

func hash(n uint64) shardlog.Hash { return shardlog.Hash{Lo: n} }

func TestSplit(t *testing.T) {
	tests := []struct {
		from, to, at uint64
		want         string
	}{
		{0, 9, 5, "0-4 5-9"},
		{0, 9, 2, "0-1 2-9"},
		{0, 9, 8, "0-7 8-9"},
		{0, 9, 0, ""}, {0, 9, 1, ""}, {0, 9, 9, ""}, {0, 9, 10, ""},
		{5, 9, 4, ""}, {5, 9, 6, ""}, {5, 9, 7, "5-6 7-9"},
		{5, 5, 5, ""}, {5, 6, 6, ""},
	}
	for _, test := range tests {
		low, high, err := keyspace.Split(keyspace.Range{From: hash(test.from), To: hash(test.to)}, hash(test.at))
		got := fmt.Sprintf("%v-%v %v-%v", low.From, low.To, high.From, high.To)
		if test.want == "" {
			if err == nil || shardlog.KindOf(err) != shardlog.Invalid {
				t.Errorf("split %d-%d at %d = %s, %v, want Invalid", test.from, test.to, test.at, got, err)
			}
		} else if err != nil || got != test.want {
			t.Errorf("split %d-%d at %d = %s, %v, want %s", test.from, test.to, test.at, got, err, test.want)
		}
	}
	last := keyspace.Range{From: shardlog.MaxHash(), To: shardlog.MaxHash()}
	if _, _, err := keyspace.Split(last, hash(5)); err == nil {
		t.Error("the last place alone was split")
	}
}

func TestMerge(t *testing.T) {
	whole := keyspace.Even(4)
	for i := range 3 {
		for _, pair := range [][2]keyspace.Range{{whole[i], whole[i+1]}, {whole[i+1], whole[i]}} {
			r, err := keyspace.Merge(pair[0], pair[1])
			if err != nil || r.From != whole[i].From || r.To != whole[i+1].To {
				t.Errorf("merge %v = %v, %v", pair, r, err)
			}
		}
	}
	for _, pair := range [][2]keyspace.Range{{whole[0], whole[2]}, {whole[3], whole[0]}, {whole[1], whole[1]}} {
		if r, err := keyspace.Merge(pair[0], pair[1]); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("merge %v = %v, %v, want Invalid", pair, r, err)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	ring := keyspace.NewRing(shardsOf(keyspace.Even(16)))
	h := shardlog.HashKey("sensor-00042")
	for b.Loop() {
		ring.Find(h)
	}
}
