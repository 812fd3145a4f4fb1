package capacity_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/capacity"
	"headgate/shardlog/keyspace"
	"headgate/shardlog/quota"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// world is a stream under a load: producers are keys with records a second.
type world struct {
	t         *testing.T
	rules     capacity.Rules
	watch     *capacity.Watch
	now       time.Time
	stream    shardlog.Stream
	random    *rand.Rand
	least     int
	splits    int
	merges    int
	throttled int // records over a shard's limit at the last look
}

func newWorld(t *testing.T, rules capacity.Rules, shards int) *world {
	w := &world{t: t, rules: rules, watch: capacity.NewWatch(rules), now: noon, stream: shardlog.Stream{ID: 1}, random: rand.New(rand.NewPCG(1, 2)), least: 4}
	for _, r := range keyspace.Even(shards) {
		w.open(r)
	}
	return w
}

func (w *world) open(r keyspace.Range) {
	n := uint32(len(w.stream.Shards))
	w.stream.Shards = append(w.stream.Shards, shardlog.Shard{ID: shardlog.ShardID{Stream: 1, Number: n}, From: r.From, To: r.To})
}

func (w *world) shards() (n int) {
	for _, s := range w.stream.Shards {
		if !s.Closed {
			n++
		}
	}
	return n
}

// run lets a while go by under a load of records a second by hash.
func (w *world) run(d time.Duration, load map[shardlog.Hash]int) {
	w.t.Helper()
	tick := w.rules.Tick()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(tick)
		before := w.shards()
		for _, c := range w.watch.Look(w.now, w.stream, w.loads(load, tick), w.least) {
			w.do(c)
		}
		if now := w.shards(); now > 2*before || now < before && now < w.least || now > 200 {
			w.t.Fatalf("from %d shards to %d", before, now)
		}
	}
}

// loads is what the shards take in a tick: no more than their limits.
func (w *world) loads(load map[shardlog.Hash]int, tick time.Duration) (all []capacity.Load) {
	ring := keyspace.NewRing(w.stream.Shards)
	keys := map[uint32][]shardlog.Hash{}
	counts := map[uint32]int{}
	for h, n := range load {
		id, ok := ring.Find(h)
		if !ok {
			w.t.Fatalf("nobody has %v", h)
		}
		counts[id.Number] += n
		for range max(1, n/50) {
			keys[id.Number] = append(keys[id.Number], h)
		}
	}
	w.throttled = 0
	for number, n := range counts {
		taken := min(n, shardlog.ShardRecordsIn)
		w.throttled += n - taken
		l := capacity.Load{Shard: number, Records: int(float64(taken) * tick.Seconds()), Bytes: 100}
		for range 16 {
			l.Sample = append(l.Sample, capacity.Place{Hash: keys[number][w.random.IntN(len(keys[number]))], Bytes: 1})
		}
		all = append(all, l)
	}
	return all
}

func (w *world) do(c capacity.Change) {
	w.t.Helper()
	a := &w.stream.Shards[c.Shard.Number]
	if a.Closed {
		w.t.Fatalf("shard %d is closed", c.Shard.Number)
	}
	if c.With == nil {
		low, high, err := keyspace.Split(keyspace.Range{From: a.From, To: a.To}, c.Start)
		if err != nil {
			w.t.Fatal(err)
		}
		a.Closed = true
		w.open(low)
		w.open(high)
		w.splits++
		return
	}
	b := &w.stream.Shards[c.With.Number]
	r, err := keyspace.Merge(keyspace.Range{From: a.From, To: a.To}, keyspace.Range{From: b.From, To: b.To})
	if err != nil || b.Closed {
		w.t.Fatal(b.Closed, err)
	}
	a.Closed, b.Closed = true, true
	parent, adjacent := a.ID.Number, b.ID.Number
	w.open(r)
	child := &w.stream.Shards[len(w.stream.Shards)-1]
	child.Parent, child.Adjacent = &parent, &adjacent
	w.merges++
}

// spread is so many records a second over many keys.
func spread(total, keys int) map[shardlog.Hash]int {
	load := map[shardlog.Hash]int{}
	for i := range keys {
		load[shardlog.HashKey(fmt.Sprintf("key-%d", i))] = total / keys
	}
	return load
}

// TestFollowsItsLoad: a stream has shards for twice its load once it has been
// watched, keeps them while the load is remembered, and gives them back.
func TestFollowsItsLoad(t *testing.T) {
	w := newWorld(t, capacity.Rules{Memory: time.Hour}, 4)
	w.run(10*time.Minute, spread(1500, 500))
	if w.splits > 0 || w.merges > 0 {
		t.Fatalf("%d splits and %d merges at three eighths of four shards", w.splits, w.merges)
	}
	w.run(10*time.Minute, spread(6000, 500))
	if n := w.shards(); n < 12 || n > 24 || w.throttled > 0 {
		t.Fatalf("%d shards for 6000 records a second, %d throttled", n, w.throttled)
	}
	grown, splits := w.shards(), w.splits
	w.run(3*time.Hour, spread(6000, 500))
	if w.shards() != grown || w.splits != splits || w.merges > 0 {
		t.Fatalf("%d shards, then %d with %d splits and %d merges more, under the same load", grown, w.shards(), w.splits-splits, w.merges)
	}
	w.run(50*time.Minute, nil)
	if w.merges > 0 {
		t.Fatal("merged while the load was remembered")
	}
	w.run(10*time.Hour, nil)
	if w.shards() != 4 {
		t.Fatalf("%d shards of an idle stream", w.shards())
	}
	for i, r := range keyspace.Even(4) {
		if id, _ := keyspace.NewRing(w.stream.Shards).Find(r.From); w.stream.Shards[id.Number].From != r.From {
			t.Errorf("part %d is no shard of its own any more", i)
		}
	}
}

// TestDoubling: what doubles within a window fits; what grows tenfold is
// throttled for a few windows and no longer.
func TestDoubling(t *testing.T) {
	w := newWorld(t, capacity.Rules{Memory: time.Hour}, 4)
	w.run(20*time.Minute, spread(4000, 1000))
	w.run(10*time.Second, spread(5600, 1000))
	if w.throttled > 0 {
		t.Errorf("%d records throttled when the load grew by less than half again", w.throttled)
	}
	w.run(10*time.Second, spread(40000, 1000))
	if w.throttled == 0 {
		t.Error("ten times the load was served at once")
	}
	w.run(10*time.Minute, spread(40000, 1000))
	if w.throttled > 0 || w.shards() < 80 {
		t.Errorf("%d shards, %d throttled", w.shards(), w.throttled)
	}
}

// TestOneHotKey never gets more than its shard, and makes no more of them than
// it takes to have one for itself.
func TestOneHotKey(t *testing.T) {
	w := newWorld(t, capacity.Rules{Memory: time.Hour}, 4)
	w.run(2*time.Hour, map[shardlog.Hash]int{shardlog.HashKey("one"): 5000})
	if w.splits > 0 {
		t.Errorf("%d splits for one key", w.splits)
	}
	among := spread(300, 100)
	among[shardlog.HashKey("one")] = 600
	w.run(5*time.Hour, among)
	if w.splits > 3 || w.shards() > 7 {
		t.Errorf("%d splits, %d shards for one hot key among others", w.splits, w.shards())
	}
}

// TestQuietPartsStay: while one part is busy, the others are not merged into
// shards wider than they began.
func TestQuietPartsStay(t *testing.T) {
	w := newWorld(t, capacity.Rules{Memory: time.Hour}, 4)
	w.run(5*time.Hour, map[shardlog.Hash]int{{Hi: 1 << 60}: 400, {Hi: 1<<61 + 1}: 400})
	if w.splits != 1 || w.merges > 0 {
		t.Errorf("%d splits, %d merges", w.splits, w.merges)
	}
	w = newWorld(t, capacity.Rules{Memory: time.Hour}, 5)
	if w.run(5*time.Hour, nil); w.shards() != 4 {
		t.Errorf("five idle fifths are %d shards", w.shards())
	}
}

// TestNarrow: keys that lie close together are parted where they are.
func TestNarrow(t *testing.T) {
	w := newWorld(t, capacity.Rules{Memory: time.Hour}, 4)
	load := map[shardlog.Hash]int{}
	for i := range 20 {
		load[shardlog.Hash{Lo: uint64(1000 + i)}] = 100
	}
	w.run(time.Hour, load)
	if w.throttled > 0 || w.shards() > 16 {
		t.Errorf("%d shards, %d records throttled", w.shards(), w.throttled)
	}
}

// TestLimitsOfShards: the least is kept, so is the most; without limits
// nothing is scaled; a look that comes late is no burst.
func TestLimitsOfShards(t *testing.T) {
	w := newWorld(t, capacity.Rules{Memory: time.Hour}, 16)
	w.least = 9
	w.run(24*time.Hour, nil)
	if w.shards() != 9 {
		t.Errorf("%d shards, at least 9 were wanted", w.shards())
	}
	w = newWorld(t, capacity.Rules{Most: 6}, 4)
	w.run(time.Hour, spread(20000, 1000))
	if w.shards() != 6 {
		t.Errorf("%d shards, 6 are allowed", w.shards())
	}
	w = newWorld(t, capacity.Rules{Limits: quota.Limits{Off: true}}, 8)
	w.run(5*time.Hour, spread(20000, 1000))
	if w.splits+w.merges > 0 {
		t.Error("scaled without limits")
	}
	w = newWorld(t, capacity.Rules{Memory: time.Hour}, 4)
	w.run(10*time.Minute, nil)
	w.now = w.now.Add(time.Hour)
	late := []capacity.Load{{Shard: 0, Records: 3600 * 200, Sample: []capacity.Place{{Hash: shardlog.Hash{Lo: 9}}, {Hash: shardlog.Hash{Hi: 9}}}}}
	if c := w.watch.Look(w.now, w.stream, late, 4); len(c) > 0 {
		t.Errorf("%+v after an hour at 200 records a second", c)
	}
}

// TestAnyLoad: whatever comes, the ring stays whole, bounds are kept, and what
// has calmed down is given back.
func TestAnyLoad(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 9))
		w := newWorld(t, capacity.Rules{Window: 6 * time.Second, Memory: time.Minute}, 4)
		for range 20 {
			load := map[shardlog.Hash]int{}
			for range random.IntN(60) {
				load[shardlog.Hash{Hi: random.Uint64() >> random.IntN(64), Lo: random.Uint64()}] = random.IntN(1500)
			}
			w.run(time.Duration(random.IntN(100))*time.Second, load)
		}
		w.run(time.Hour, nil)
		if w.shards() != 4 {
			t.Errorf("seed %d: %d shards in the end", seed, w.shards())
		}
	}
}

func TestRules(t *testing.T) {
	for _, bad := range []capacity.Rules{{Window: -1}, {Memory: time.Second}, {Window: time.Hour, Memory: time.Minute}, {Most: -1}, {Limits: quota.Limits{BytesIn: -1}}} {
		if err := bad.Validate(); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := (capacity.Rules{Window: 2 * time.Hour}).Validate(); err != nil {
		t.Error(err)
	}
}
