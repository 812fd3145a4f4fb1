package simulation_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/streams"
	"headgate/sync/forward"
)

// plan is what a seed decides: the site, its writers, and what befalls it.
type plan struct {
	seed          uint64
	voters        int // that found the site
	spares        int // hosts of boxes that may join
	heartbeat     time.Duration
	snapshotBytes uint64
	replace       time.Duration
	grace         time.Duration
	spoolBytes    int64
	spoolAge      time.Duration
	full          forward.Policy
	limits        quota.Limits
	syncs         int
	budget        streams.Budget
	least, most   time.Duration // network
	slow          time.Duration // what the disk may take for a sync
	loss          float64
	speed         float64 // of the clocks
	streams       []shardlog.StreamSpec
	writers       []writerPlan
	readers       int
	length        time.Duration
	events        []event
	minority      bool // at the end one box stays away until the others are checked
}

type writerPlan struct {
	kind     string // "plain", "exact", "counter"
	stream   shardlog.StreamName
	keys     int
	home     int // box
	roams    bool
	spools   bool
	pause    time.Duration // at most, between Puts
	patience time.Duration
	entries  int  // at most, in a Put
	size     int  // at most, of an entry
	hashed   bool // explicit hash keys
	huge     bool // now and then a very large one
}

// event is something that befalls the site at a moment.
type event struct {
	at    time.Duration
	what  string
	boxes []int
	span  time.Duration
	n     int
}

func (e event) String() string {
	text := fmt.Sprintf("%8.3fs %s", e.at.Seconds(), e.what)
	if len(e.boxes) > 0 {
		text += fmt.Sprintf(" %v", e.boxes)
	}
	if e.span != 0 {
		text += fmt.Sprintf(" %v", e.span)
	}
	if e.n != 0 {
		text += fmt.Sprintf(" %d", e.n)
	}
	return text
}

func (p *plan) boxes() int { return p.voters + p.spares }

func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d voters, %d spares, heartbeat %v, snapshot %d B, replace %v, grace %v, spool %d B %v %s, syncs %d, bucket %d B, budget %d B\n",
		p.seed, p.voters, p.spares, p.heartbeat, p.snapshotBytes, p.replace, p.grace, p.spoolBytes, p.spoolAge, p.full, p.syncs, p.budget.BucketBytes, p.budget.Bytes)
	fmt.Fprintf(&b, "network %v to %v, loses %.1f %%, disks take up to %v, clocks run %gx, length %v, minority away at the end: %v, limits off: %v\n",
		p.least, p.most, p.loss*100, p.slow, p.speed, p.length, p.minority, p.limits.Off)
	for _, s := range p.streams {
		fmt.Fprintf(&b, "stream %s: %d shards\n", s.Name, s.Shards)
	}
	for i, w := range p.writers {
		fmt.Fprintf(&b, "writer %d: %+v\n", i, w)
	}
	for _, e := range p.events {
		fmt.Fprintf(&b, "%v\n", e)
	}
	return b.String()
}

// pick is one of the choices.
func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// span is a time between two.
func span(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

func newPlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 0x5ead))
	p := &plan{seed: seed, voters: 3, heartbeat: 500 * time.Millisecond, replace: 5 * time.Minute, limits: quota.Limits{Off: true}, syncs: 40, speed: 1}
	switch n := r.IntN(20); {
	case n == 0:
		p.voters = 1
	case n <= 2: // a site of one that grows
		p.voters, p.spares = 1, 2
	case n <= 5:
		p.spares = 1
	case n == 6:
		p.spares = 2
	}
	p.snapshotBytes = pick(r, uint64(8<<10), 32<<10, 256<<10, 16<<20)
	p.grace = pick(r, time.Second, 2*time.Second, 5*time.Second)
	p.spoolBytes = pick(r, int64(16<<10), 64<<10, 1<<20, 64<<20)
	p.spoolAge = pick(r, 0, 0, 0, 8*time.Second)
	p.full = pick(r, forward.Refuse, forward.Refuse, forward.DropOldest)
	p.syncs = pick(r, 4, 40, 40, 1000)
	p.most = pick(r, 0, 2*time.Millisecond, 20*time.Millisecond, 80*time.Millisecond)
	p.loss = pick(r, 0, 0, 0.005, 0.03)
	p.slow = pick(r, 0, 0, 5*time.Millisecond, 100*time.Millisecond, 1500*time.Millisecond)
	p.speed = pick(r, 1.0, 1.0, 60, 3000)
	if r.IntN(6) == 0 {
		p.limits = quota.Limits{RecordsIn: 20, BytesIn: 8 << 10, ReadsOut: 5, BytesOut: 2 << 20}
	}
	if r.IntN(4) == 0 {
		p.budget = streams.Budget{Bytes: 512 << 10}
	}
	for i := range 1 + r.IntN(3) {
		p.streams = append(p.streams, shardlog.StreamSpec{Name: shardlog.StreamName(fmt.Sprintf("s%d", i)), Shards: 1 + r.IntN(4)})
	}
	for range 3 + r.IntN(5) {
		p.writers = append(p.writers, p.writer(r))
	}
	p.readers = 1 + r.IntN(2)
	p.length = span(r, 6*time.Second, 24*time.Second)
	p.minority = p.voters == 3 && p.spares == 0 && r.IntN(2) == 0
	p.befall(r)
	return p
}

func (p *plan) writer(r *rand.Rand) writerPlan {
	w := writerPlan{kind: pick(r, "plain", "plain", "plain", "plain", "exact", "exact", "counter"), stream: pick(r, p.streams...).Name, keys: 1 + r.IntN(3),
		home: r.IntN(p.voters), roams: r.IntN(4) == 0, spools: r.IntN(3) > 0}
	w.pause = pick(r, 30*time.Millisecond, 200*time.Millisecond, 600*time.Millisecond, 1500*time.Millisecond)
	w.patience = pick(r, 300*time.Millisecond, 2*time.Second, 10*time.Second, 30*time.Second)
	w.entries = pick(r, 1, 1, 3, 20)
	w.size = pick(r, 1, 40, 300, 4000)
	w.hashed = r.IntN(4) == 0
	w.huge = r.IntN(8) == 0
	return w
}

// befall decides what befalls the site.
func (p *plan) befall(r *rand.Rand) {
	weights := map[string]int{"part": 4, "one way": 3, "crash": 4, "crash all": 1, "trap": 4, "restart": 2, "freeze": 3, "drop": 3, "clock": 2, "trim": 2, "retention": 1, "trap all": 2, "delete": 1}
	order := []string{"part", "one way", "crash", "crash all", "trap", "restart", "freeze", "drop", "clock", "trim", "retention", "trap all", "delete"}
	for _, what := range order { // a history has its own taste
		weights[what] *= pick(r, 0, 1, 1, 3)
	}
	total := 0
	for _, what := range order {
		total += weights[what]
	}
	every := pick(r, 500*time.Millisecond, 1500*time.Millisecond, 4*time.Second)
	for at := span(r, time.Second, 3*time.Second); at < p.length && total > 0; at += span(r, every/4, 2*every) {
		n := r.IntN(total)
		for _, what := range order {
			if n -= weights[what]; n < 0 {
				p.events = append(p.events, p.event(r, at, what))
				break
			}
		}
	}
	p.growth(r)
	slices.SortStableFunc(p.events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
}

func (p *plan) event(r *rand.Rand, at time.Duration, what string) event {
	e := event{at: at, what: what, span: pick(r, span(r, 50*time.Millisecond, time.Second), span(r, time.Second, 4*time.Second), span(r, 4*time.Second, 12*time.Second))}
	box := func() int { return r.IntN(p.boxes()) }
	switch what {
	case "part": // these are cut off from all others
		e.boxes = []int{box()}
		if r.IntN(4) == 0 {
			e.boxes = append(e.boxes, box())
		}
	case "one way", "drop":
		e.boxes = []int{box(), box()}
	case "crash", "restart", "freeze":
		e.boxes = []int{box()}
	case "trap":
		e.boxes, e.n = []int{box()}, 1+r.IntN(60)
	case "clock":
		e.boxes = []int{box()}
		e.n = pick(r, -86400*30, -7200, -600, -5, 5, 600, 7200, 86400*30) // seconds
		e.span = time.Duration(r.IntN(2))
	case "trap all":
		e.boxes, e.n = []int{box()}, 1+r.IntN(60)
	case "delete":
		e.n = r.IntN(len(p.streams))
	case "trim":
		e.n = r.IntN(100)
		e.span = 0
	case "retention":
		e.n = 24 + r.IntN(48)
		e.span = 0
	}
	return e
}

// growth lets the spares join at some time. One of them may take the place of
// a box that is lost with its disk, before or after that is taken out.
func (p *plan) growth(r *rand.Rand) {
	for i := range p.spares {
		spare := p.voters + i
		at := span(r, time.Second, p.length/2)
		if i > 0 || p.voters < 3 || r.IntN(2) == 0 {
			p.events = append(p.events, event{at: at, what: "join", boxes: []int{spare}})
			continue
		}
		lost := r.IntN(p.voters)
		p.events = append(p.events, event{at: at, what: "destroy", boxes: []int{lost}})
		join, out := at+span(r, 0, 5*time.Second), at+span(r, 0, 8*time.Second)
		p.events = append(p.events, event{at: join, what: "join", boxes: []int{spare}}, event{at: out, what: "remove", boxes: []int{lost}, n: r.IntN(2)})
		p.replace = pick(r, 2*time.Second, 5*time.Minute)
		for i := range p.writers {
			p.writers[i].roams = p.writers[i].roams || p.writers[i].home == lost
		}
	}
}
