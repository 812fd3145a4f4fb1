package simulation_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"

	"headgate/shardlog"
)

// fate is what a client knows of its entry.
type fate int

const (
	tried   fate = iota // handed in, no answer yet
	refused             // certainly not stored
	unsure              // stored or not
	spooled             // acknowledged, without a place
	placed              // acknowledged, with its place
)

func (f fate) String() string {
	return [...]string{"tried", "refused", "unsure", "spooled", "placed"}[f]
}

// item is one entry of a client.
type item struct {
	id     uint64
	writer int
	put    int // of its writer, in order
	n      int // of its put
	stream shardlog.StreamName
	key    string
	size   int
	host   int // by which box it was handed in the last time
	fate   fate
	at     place // placed
	err    string
}

func (e *item) String() string {
	return fmt.Sprintf("entry %x (writer %d put %d.%d %s/%s %d B by box %d, %v)", e.id, e.writer, e.put, e.n, e.stream, e.key, e.size, e.host, e.fate)
}

// ledger is what clients handed in and what they were told.
type ledger struct {
	sim *history

	mu       sync.Mutex
	items    []*item
	by       map[uint64]*item
	acks     map[place]uint64 // ids by acknowledged places
	read     map[place]uint64 // ids by places that readers saw
	horizons map[shardlog.ShardID]shardlog.Seq
	tips     map[shardlog.ShardID]shardlog.Seq // greatest acknowledged
	counters map[string]*tally
	released map[string]bool
}

// tally is a counter of replicated state.
type tally struct{ acked, unsure uint64 }

func newLedger(s *history) *ledger {
	return &ledger{sim: s, by: map[uint64]*item{}, acks: map[place]uint64{}, read: map[place]uint64{},
		horizons: map[shardlog.ShardID]shardlog.Seq{}, tips: map[shardlog.ShardID]shardlog.Seq{}, counters: map[string]*tally{}}
}

func (l *ledger) add(e *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, e)
	l.by[e.id] = e
}

func (l *ledger) tip(id shardlog.ShardID) shardlog.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tips[id]
}

// answered notes what a Put said of an entry.
func (l *ledger) answered(e *item, f fate, r shardlog.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.fate = f
	if f != placed {
		return
	}
	e.at = place{r.Shard, r.Number.Index}
	if other, taken := l.acks[e.at]; taken && other != e.id {
		l.sim.fail("%v: acknowledged at %v, and so was %v", e, e.at, l.by[other])
	}
	l.acks[e.at] = e.id
	l.tips[r.Shard] = max(l.tips[r.Shard], r.Number.Index)
	l.clash(e.at, e.id)
}

// saw notes what a reader saw.
func (l *ledger) saw(p place, id uint64, by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, seen := l.read[p]; seen && other != id {
		l.sim.fail("%s reads %x at %v, before it was %x", by, id, p, other)
	}
	l.read[p] = id
	l.clash(p, id)
}

// clash compares what was read with what was acknowledged. The caller holds mu.
func (l *ledger) clash(p place, id uint64) {
	if other, ok := l.acks[p]; ok && other != id {
		l.sim.fail("%v: %x is read, but %v was acknowledged there", p, id, l.by[other])
	}
	if other, ok := l.read[p]; ok && other != id {
		l.sim.fail("%v: %x is acknowledged, but %x was read there", p, id, other)
	}
}

// horizon notes where a shard began for a reader.
func (l *ledger) horizon(id shardlog.ShardID, oldest shardlog.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.horizons[id] = max(l.horizons[id], oldest)
}

// data is what an entry holds: some compressible, some not.
func data(id uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(id, 7))
	for i := 0; i < size; i += 8 {
		if i%64 < 32 {
			copy(b[i:], "headgate")
			continue
		}
		var word [8]byte
		binary.BigEndian.PutUint64(word[:], r.Uint64())
		copy(b[i:], word[:])
	}
	return b
}

func metaOf(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }
