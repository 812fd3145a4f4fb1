package downlink

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"headgate/shardlog"
)

// TestShare: gateways that know the same take and give up leases without
// getting into each other's way, and end with as many as the others.
func TestShare(t *testing.T) {
	for seed := range uint64(500) {
		chance := rand.New(rand.NewPCG(seed, 3))
		holders := map[shardlog.ShardID]uint64{}
		for n := range uint32(chance.IntN(20)) {
			holders[shardlog.ShardID{Stream: 1, Number: n}] = uint64(chance.IntN(6)) // some are nobody's, or of a gateway that died
		}
		var gateways []uint64
		for g := range uint64(1 + chance.IntN(4)) {
			gateways = append(gateways, g+1)
		}
		for range 3 { // what is given up in one round is taken in the next
			next := map[shardlog.ShardID]uint64{}
			for shard, at := range holders {
				next[shard] = at
			}
			for _, me := range gateways {
				take, spare := share(holders, gateways, me)
				for _, shard := range take {
					if next[shard] != holders[shard] {
						t.Fatalf("seed %d: two take %v", seed, shard)
					}
					next[shard] = me
				}
				for shard, at := range holders {
					if at == me && spare > 0 {
						next[shard], spare = 0, spare-1
					}
				}
			}
			holders = next
		}
		count := map[uint64]int{}
		for _, at := range holders {
			count[at]++
		}
		for _, g := range gateways {
			if n := count[g]; n < len(holders)/len(gateways) || n > (len(holders)+len(gateways)-1)/len(gateways) {
				t.Errorf("seed %d: gateway %d has %d of %d among %d", seed, g, n, len(holders), len(gateways))
			}
		}
	}
}

// FuzzBoard: any row is read or passed over.
func FuzzBoard(f *testing.F) {
	prefix := groupPrefix("$share/g/a/#")
	f.Add(presenceKey("", 7), []byte(`{"group":"g","lasts":5}`))
	f.Add(holdingKey("", shardlog.ShardID{Stream: 3, Number: 4}), []byte(`{"at":1,"next":4,"done":[6]}`))
	f.Add("x", []byte(`{}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		b := &board{prefix: prefix, present: map[uint64]presence{}, holds: map[shardlog.ShardID]holding{}, versions: map[string]shardlog.Version{}}
		b.take(prefix+key, value, 3)
		for shard, h := range b.holds {
			text, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			again := &board{prefix: prefix, present: b.present, holds: map[shardlog.ShardID]holding{}, versions: b.versions}
			again.take(holdingKey(prefix, shard), text, 4)
			if fmt.Sprint(again.holds) != fmt.Sprint(b.holds) {
				t.Errorf("%v is read as %v", b.holds, again.holds)
			}
		}
	})
}

// FuzzParseName: what is accepted is read the same by the parts that it was
// taken apart into.
func FuzzParseName(f *testing.F) {
	for _, name := range []string{"a/+", "$share/g/a", "$stream/s", "$stream/s/from/earliest", "$stream/s/from/seq/4/shard/1", "$stream/s/from/time/2026-01-01T00:00:00Z", "$share/g/$stream/s/shard/shardId-000000000003", "$stream/", "$stream/s/from/seq/"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s, err := ParseName(name)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Invalid {
				t.Errorf("%q: %v", name, err)
			}
			return
		}
		if s.Name() != name {
			t.Errorf("%q is named %q", name, s.Name())
		}
		if stream, whole := s.Stream(); whole && stream.Check() != nil {
			t.Errorf("%q: stream %q", name, stream)
		}
		if _, err := s.origin(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	})
}
