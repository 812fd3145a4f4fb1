package downlink

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"headgate/shardlog"
)

// lease is a shard of a group that this gateway reads.
type lease struct {
	noted   shardlog.Seq // what the row says
	leaving time.Time    // since when it is given up; zero: it is not
	next    shardlog.Seq // when leaving: behind what members were given
}

// shared is the space of leases. Keys:
//
//	group/HASH/m/GATEWAY       presence: the gateway has, or had, members of the group
//	group/HASH/s/STREAM/SHARD  holding: who reads the shard, and from where on
//	beat/GATEWAY               a number that grows while the gateway lives
const shared shardlog.Space = "mqtt.share"

// presence is a gateway with members of a group.
type presence struct {
	Group string        `json:"group"`
	Lasts time.Duration `json:"lasts,omitempty"` // how long the group lasts without it
	Left  time.Time     `json:"left,omitzero"`   // when its last member went
}

// holding is one shard of a group.
type holding struct {
	At    uint64         `json:"at,omitempty"`    // the gateway that has the lease; zero: nobody
	Next  shardlog.Seq   `json:"next"`            // the first record that no member has answered
	Done  []shardlog.Seq `json:"done,omitempty"`  // those behind it that were; noted when a lease is given up
	Ended bool           `json:"ended,omitempty"` // all were, and there will be no more
}

func groupPrefix(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "group/" + hex.EncodeToString(sum[:16]) + "/"
}

func presenceKey(prefix string, gateway uint64) string {
	return fmt.Sprintf("%sm/%016x", prefix, gateway)
}

func holdingKey(prefix string, shard shardlog.ShardID) string {
	return fmt.Sprintf("%ss/%08x/%08x", prefix, uint32(shard.Stream), shard.Number)
}

const beatPrefix = "beat/"

func beatKey(gateway uint64) string { return fmt.Sprintf("%s%016x", beatPrefix, gateway) }

// board is what is noted of a group, with the version of each row.
type board struct {
	prefix   string
	present  map[uint64]presence
	holds    map[shardlog.ShardID]holding
	versions map[string]shardlog.Version
}

// take notes a row; what cannot be read, of a later version perhaps, is passed over.
func (b *board) take(key string, value []byte, v shardlog.Version) {
	rest := key[len(b.prefix):]
	var gateway uint64
	var shard shardlog.ShardID
	var p presence
	var h holding
	if n, err := fmt.Sscanf(rest, "m/%016x", &gateway); n == 1 && err == nil && json.Unmarshal(value, &p) == nil {
		b.present[gateway] = p
	} else if n, err := fmt.Sscanf(rest, "s/%08x/%08x", &shard.Stream, &shard.Number); n == 2 && err == nil && json.Unmarshal(value, &h) == nil {
		b.holds[shard] = h
	}
	b.versions[key] = v
}

// change is the mutation of a row to a value, nil to remove it, if it is as it was read.
func (b *board) change(key string, value any) shardlog.Mutation {
	m := shardlog.Mutation{Space: shared, Key: key, Expect: shardlog.Absent()}
	if v := b.versions[key]; v > 0 {
		m.Expect = shardlog.At(v)
	}
	if value != nil {
		m.Value, _ = json.Marshal(value) // rows of numbers, texts and times can be encoded
	}
	return m
}

// newest is the youngest shard of a stream that is noted: those after it are new.
func (b *board) newest(stream shardlog.StreamID) (number uint32, known bool) {
	for shard := range b.holds {
		if shard.Stream == stream {
			number, known = max(number, shard.Number), true
		}
	}
	return number, known
}

// ready reports whether a shard may be read: its parents were, to their end.
func (b *board) ready(one shardlog.Shard) bool {
	for _, number := range []*uint32{one.Parent, one.Adjacent} {
		if number == nil {
			continue
		}
		if h, noted := b.holds[shardlog.ShardID{Stream: one.ID.Stream, Number: *number}]; noted && !h.Ended {
			return false
		}
	}
	return true
}

// share says what a gateway should do for everybody to have as many leases as
// the others: which free ones it takes, and how many it gives up. All gateways
// that know the same come to the same, so that they do not get into each
// other's way.
func share(holders map[shardlog.ShardID]uint64, gateways []uint64, me uint64) (take []shardlog.ShardID, spare int) {
	count := map[uint64]int{}
	for _, g := range gateways {
		count[g] = 0
	}
	var free []shardlog.ShardID
	for shard, at := range holders {
		if _, there := count[at]; there {
			count[at]++
		} else {
			free = append(free, shard)
		}
	}
	if len(gateways) == 0 {
		return nil, 0
	}
	slices.SortFunc(free, byShard)
	order := slices.Clone(gateways)
	slices.SortFunc(order, func(a, b uint64) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	each, more := len(holders)/len(order), len(holders)%len(order)
	for i, g := range order {
		target := each
		if i < more {
			target++
		}
		n := min(max(0, target-count[g]), len(free))
		if g == me {
			return free[:n], max(0, count[g]-target)
		}
		free = free[n:]
	}
	return nil, 0
}

func byShard(a, b shardlog.ShardID) int {
	return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Number, b.Number))
}
