package simulation_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"headgate/shardlog"
)

// clients starts those of the plan; they end with ctx.
func (s *history) clients(ctx context.Context, all *sync.WaitGroup) {
	all.Go(func() {
		s.makeStreams(ctx)
		for i := range s.plan.writers {
			w := &writer{sim: s, plan: s.plan.writers[i], number: i, chance: rand.New(rand.NewPCG(s.plan.seed, uint64(100+i)))}
			all.Go(func() { w.run(ctx) })
		}
		for i := range s.plan.readers {
			r := &reader{sim: s, number: i, chance: rand.New(rand.NewPCG(s.plan.seed, uint64(200+i))), next: map[shardlog.ShardID]shardlog.Seq{}}
			all.Go(func() { r.run(ctx) })
		}
	})
}

// makeStreams makes the streams, however long it takes.
func (s *history) makeStreams(ctx context.Context) {
	for i, spec := range s.plan.streams {
		for n := 0; ctx.Err() == nil; n++ {
			l := s.boxes[(i+n)%s.plan.voters].alive()
			if l == nil {
				_ = rest(ctx, 100*time.Millisecond)
				continue
			}
			out, ok := l.visit()
			if !ok {
				_ = rest(ctx, 100*time.Millisecond)
				continue
			}
			err := l.carrier.Control().CreateStream(l.with(ctx), spec)
			out()
			if err == nil || shardlog.KindOf(err) == shardlog.InUse {
				break
			}
			_ = rest(ctx, 100*time.Millisecond)
		}
	}
}

// with is a context that ends with the life's power too.
func (l *life) with(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(l.beats, cancel)
	return ctx
}

// writer is a client that puts one thing after the other.
type writer struct {
	sim    *history
	plan   writerPlan
	number int
	chance *rand.Rand
	puts   int
}

func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		box := w.box()
		l := box.alive()
		if l == nil {
			_ = rest(ctx, span(w.chance, 50*time.Millisecond, 500*time.Millisecond))
			continue
		}
		switch w.plan.kind {
		case "plain":
			w.plain(ctx, l)
		case "exact":
			w.exact(ctx)
		case "counter":
			w.count(ctx, l)
		}
		_ = rest(ctx, span(w.chance, 0, w.plan.pause))
	}
}

func (w *writer) box() *box {
	if w.plan.roams && w.chance.IntN(3) == 0 {
		return w.sim.boxes[w.chance.IntN(len(w.sim.boxes))]
	}
	return w.sim.boxes[w.plan.home]
}

// compose makes the entries of the next Put.
func (w *writer) compose(host, most int) ([]shardlog.Entry, []*item) {
	w.puts++
	var entries []shardlog.Entry
	var items []*item
	for n := range 1 + w.chance.IntN(most) {
		id := uint64(w.number+1)<<48 | uint64(w.puts)<<16 | uint64(n)
		size := 1 + w.chance.IntN(w.plan.size)
		if w.plan.huge && w.chance.IntN(40) == 0 {
			size = 30<<10 + w.chance.IntN(200<<10)
		}
		e := &item{id: id, writer: w.number, put: w.puts, n: n, stream: w.plan.stream, key: fmt.Sprintf("w%d-%d", w.number, w.chance.IntN(w.plan.keys)), size: size, host: host}
		entry := shardlog.Entry{Key: e.key, Data: data(id, size), Meta: metaOf(id)}
		if w.plan.hashed {
			h := shardlog.HashKey(e.key + "!")
			entry.Hash = &h
		}
		entries, items = append(entries, entry), append(items, e)
		w.sim.ledger.add(e)
	}
	return entries, items
}

// put hands entries in and waits while the gateway's process stands still. It
// reports whether the answer reached the client.
func (w *writer) put(ctx context.Context, l *life, entries []shardlog.Entry, with ...shardlog.Mutation) (results []shardlog.Result, err error, heard bool) {
	out, ok := l.visit()
	if !ok {
		return nil, unreachable(errRefused), true
	}
	defer out()
	ctx, cancel := context.WithTimeout(l.with(ctx), w.plan.patience)
	defer cancel()
	w.sim.counts.puts.Add(1)
	results, err = l.carrier.Writer(w.plan.spools).Put(ctx, w.plan.stream, entries, with...)
	if l.box.wait(ctx) != nil {
		return nil, nil, false
	}
	heard = l.known(func() {})
	return results, err, heard
}

func (w *writer) plain(ctx context.Context, l *life) {
	s := w.sim
	entries, items := w.compose(l.host(), w.plan.entries)
	began := s.now()
	results, err, heard := w.put(ctx, l, entries)
	for i, e := range items {
		var r shardlog.Result
		if i < len(results) {
			r = results[i]
		}
		f := judge(r, err, heard)
		if heard && err == nil && len(results) != len(entries) {
			s.fail("%v: %d results of %d entries", e, len(results), len(entries))
			f = unsure
		}
		s.ledger.answered(e, f, r)
		s.tally(f)
	}
	s.note("writer %d put %d (%d entries, began %s) by box %d: %s", w.number, w.puts, len(entries), began, l.host(), told(results, err, heard))
}

func judge(r shardlog.Result, err error, heard bool) fate {
	if err == nil {
		err = r.Err
	}
	switch {
	case !heard:
		return unsure
	case err != nil && (shardlog.KindOf(err) == shardlog.Unknown || shardlog.KindOf(err) == shardlog.Internal):
		return unsure
	case err != nil:
		return refused
	case r.Number == (shardlog.SequenceNumber{}):
		return spooled
	}
	return placed
}

func (s *history) tally(f fate) {
	switch f {
	case refused:
		s.counts.refused.Add(1)
	case unsure:
		s.counts.unknown.Add(1)
	case spooled:
		s.counts.spooled.Add(1)
	case placed:
		s.counts.acked.Add(1)
	}
}

func told(results []shardlog.Result, err error, heard bool) string {
	switch {
	case !heard:
		return "nothing is heard"
	case err != nil:
		return err.Error()
	case len(results) == 0:
		return "done"
	case results[0].Err != nil:
		return "first: " + results[0].Err.Error()
	case results[0].Number == (shardlog.SequenceNumber{}):
		return "spooled"
	}
	return fmt.Sprintf("at %v %d", results[0].Shard, results[0].Number.Index)
}

// exactSpace is where exact writers note what they have stored.
const exactSpace shardlog.Space = "sim.exact"

// message is what an exact writer puts.
type message struct {
	item  *item
	entry shardlog.Entry
	cell  string
}

func (m message) note() shardlog.Mutation {
	return shardlog.Mutation{Space: exactSpace, Key: m.cell, Value: m.entry.Meta, Expect: shardlog.Absent()}
}

// exact puts messages until they are stored, as MQTT's QoS 2 does: the record
// and the note of its id are one, so that trying again stores nothing twice.
// Some of them may be there already when others are not.
func (w *writer) exact(ctx context.Context) {
	s := w.sim
	entries, items := w.compose(w.plan.home, min(w.plan.entries, 4))
	var left []message
	for i, e := range items {
		left = append(left, message{e, entries[i], fmt.Sprintf("%d/%d/%d", w.number, w.puts, i)})
	}
	all := left
	hosts := map[int]bool{}
	var l *life
	for tries := 1; len(left) > 0; tries++ {
		if ctx.Err() != nil {
			for _, m := range left {
				s.ledger.answered(m.item, unsure, shardlog.Result{})
			}
			return
		}
		box := w.box()
		if l = box.alive(); l == nil {
			_ = rest(ctx, 200*time.Millisecond)
			continue
		}
		hosts[l.host()] = true
		before := len(left)
		left = w.try(ctx, l, left, tries)
		if len(left) == before {
			_ = rest(ctx, span(w.chance, 20*time.Millisecond, 500*time.Millisecond))
		}
	}
	if len(hosts) == 1 && w.chance.IntN(2) == 0 {
		for _, m := range all {
			w.release(ctx, l, m.cell)
		}
	}
}

// try puts what is left, or only the first of it, and answers what is left then.
func (w *writer) try(ctx context.Context, l *life, left []message, tries int) []message {
	s := w.sim
	some := left
	if tries > 1 && w.chance.IntN(3) == 0 {
		some = left[:1]
	}
	var entries []shardlog.Entry
	var notes []shardlog.Mutation
	for _, m := range some {
		m.item.host = l.host()
		entries, notes = append(entries, m.entry), append(notes, m.note())
	}
	results, err, heard := w.put(ctx, l, entries, notes...)
	s.note("writer %d message %s and %d more, try %d by box %d: %s", w.number, some[0].cell, len(some)-1, tries, l.host(), told(results, err, heard))
	if !heard {
		return left
	}
	if err == nil && len(results) == len(some) && results[0].Err == nil {
		for i, m := range some {
			f := judge(results[i], nil, true)
			s.ledger.answered(m.item, f, results[i])
			s.tally(f)
		}
		return left[len(some):]
	}
	if err != nil && shardlog.KindOf(err) == shardlog.Conflict {
		var rest []message
		for _, m := range left {
			if !w.recognise(l, m) {
				rest = append(rest, m)
			}
		}
		return rest
	}
	return left
}

// recognise finds out whether a message has been stored: its own note is there.
func (w *writer) recognise(l *life, m message) bool {
	out, ok := l.visit()
	if !ok {
		return false
	}
	defer out()
	value, _, err := l.carrier.States(w.plan.spools).Get(context.Background(), exactSpace, m.cell)
	if err != nil || !l.known(func() {}) {
		return false // not stored, or this gateway is behind
	}
	if string(value) != string(m.entry.Meta) {
		w.sim.fail("%v: its cell holds %x", m.item, value)
	}
	w.sim.ledger.answered(m.item, spooled, shardlog.Result{}) // at a place that was not told
	return true
}

func (w *writer) release(ctx context.Context, l *life, cell string) {
	_ = rest(ctx, time.Second)
	out, ok := l.visit()
	if !ok {
		return
	}
	defer out()
	ctx, cancel := context.WithTimeout(l.with(ctx), w.plan.patience)
	defer cancel()
	err := l.carrier.States(w.plan.spools).Mutate(ctx, shardlog.Mutation{Space: exactSpace, Key: cell})
	w.sim.note("writer %d releases %s by box %d: %v", w.number, cell, l.host(), err)
}

const counterSpace shardlog.Space = "sim.counter"

// count adds one to a counter, by compare and set.
func (w *writer) count(ctx context.Context, l *life) {
	s := w.sim
	out, ok := l.visit()
	if !ok {
		return
	}
	defer out()
	ctx, cancel := context.WithTimeout(l.with(ctx), w.plan.patience)
	defer cancel()
	cell := fmt.Sprintf("c%d", w.chance.IntN(2))
	states := l.carrier.States(w.plan.spools)
	value, version, err := states.Get(ctx, counterSpace, cell)
	if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
		return
	}
	n := uint64(0)
	if len(value) == 8 {
		n = binary.BigEndian.Uint64(value)
	}
	err = states.Mutate(ctx, shardlog.Mutation{Space: counterSpace, Key: cell, Value: binary.BigEndian.AppendUint64(nil, n+1), Expect: shardlog.At(version)})
	waited := l.box.wait(ctx) == nil
	heard := waited && l.known(func() {})
	s.ledger.mu.Lock()
	t := s.ledger.counters[cell]
	if t == nil {
		t = &tally{}
		s.ledger.counters[cell] = t
	}
	switch {
	case heard && err == nil:
		t.acked++
	case !heard, shardlog.KindOf(err) == shardlog.Unknown, shardlog.KindOf(err) == shardlog.Internal:
		t.unsure++
	}
	s.ledger.mu.Unlock()
	s.note("writer %d counts %s from %d by box %d: %v, heard %v", w.number, cell, n, l.host(), err, heard)
	if heard && err == nil {
		after, _, e := states.Get(context.Background(), counterSpace, cell)
		if l.known(func() {}) && (e != nil || len(after) != 8 || binary.BigEndian.Uint64(after) < n+1) {
			s.fail("box %d: counter %s is %x, %v after it was set to %d here", l.host(), cell, after, e, n+1)
		}
	}
}

// reader pages through shards at whichever gateway.
type reader struct {
	sim    *history
	number int
	chance *rand.Rand
	next   map[shardlog.ShardID]shardlog.Seq
}

func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		_ = rest(ctx, span(r.chance, 20*time.Millisecond, 600*time.Millisecond))
		l := r.sim.boxes[r.chance.IntN(len(r.sim.boxes))].alive()
		if l == nil {
			continue
		}
		out, ok := l.visit()
		if !ok {
			continue
		}
		for _, st := range l.store.Streams() {
			if st.Name.Own() || r.chance.IntN(2) == 0 {
				continue
			}
			sh := st.Shards[r.chance.IntN(len(st.Shards))]
			if r.chance.IntN(4) == 0 {
				r.tip(ctx, l, sh.ID)
			}
			r.page(l, sh)
		}
		out()
	}
}

// tip asks for the end of a shard: nothing acknowledged before lies behind it.
// A leader that stood still, its disk and its network with it, does not know for
// a moment that it leads no more; what it says then is not held against it.
func (r *reader) tip(ctx context.Context, l *life, id shardlog.ShardID) {
	least := r.sim.ledger.tip(id)
	ctx, cancel := context.WithTimeout(l.with(ctx), time.Second)
	defer cancel()
	stood := r.sim.stood()
	last, err := l.carrier.Tip(ctx, id)
	if err == nil && last < least && !stood && !r.sim.stood() && l.known(func() {}) {
		r.sim.fail("box %d: the tip of %v of %d is %d, %d was acknowledged before", l.host(), id, id.Stream, last, least)
	}
}

// stood reports whether some process stands still.
func (s *history) stood() bool {
	for _, b := range s.boxes {
		b.mu.Lock()
		frozen := b.frozen > 0
		b.mu.Unlock()
		if frozen {
			return true
		}
	}
	return false
}

// page reads on, and sees that nothing is left out and nothing is another than before.
func (r *reader) page(l *life, sh shardlog.Shard) {
	s := r.sim
	from := max(r.next[sh.ID], 1)
	if r.chance.IntN(5) == 0 {
		from = 1
	}
	page, err := l.store.Read(context.Background(), sh.ID, shardlog.Cursor{Next: from}, shardlog.Budget{Records: 1 + r.chance.IntN(200), Bytes: 64 << 10})
	if err != nil {
		if l.known(func() {}) && shardlog.KindOf(err) != shardlog.NotFound {
			s.fail("box %d: read %v of %d: %v", l.host(), sh.ID, sh.ID.Stream, err)
		}
		return
	}
	l.known(func() {
		s.counts.reads.Add(1)
		after, _ := l.store.StreamByID(sh.ID.Stream)
		now, _ := after.Shard(sh.ID.Number)
		s.ledger.horizon(sh.ID, sh.Oldest)
		want := from
		for _, rec := range page.Records {
			if rec.Seq > want && !s.excused(sh.ID, want, rec.Seq, page.Gaps, now.Oldest) {
				s.fail("box %d: %v of %d: %d follows %d", l.host(), sh.ID, sh.ID.Stream, rec.Seq, want-1)
			}
			if rec.Seq < want {
				s.fail("box %d: %v of %d: %d is read behind %d", l.host(), sh.ID, sh.ID.Stream, rec.Seq, want)
			}
			want = rec.Seq + 1
			id := idOf(rec.Meta)
			s.ledger.saw(place{sh.ID, rec.Seq}, id, fmt.Sprintf("box %d", l.host()))
			s.ledger.whole(rec, id)
		}
		if from >= r.next[sh.ID] {
			r.next[sh.ID] = max(r.next[sh.ID], want)
		}
	})
}

// excused reports whether the records from one place to another are gone with
// notice: they are in a gap, behind the shard's beginning or the horizon.
func (s *history) excused(id shardlog.ShardID, from, to shardlog.Seq, gaps []shardlog.Gap, oldest shardlog.Seq) bool {
	for from < to {
		was := from
		if oldest > from {
			from = oldest
		}
		for _, g := range gaps {
			if g.First <= from && from <= g.Last {
				from = g.Last + 1
			}
		}
		if from == was {
			if !s.truth.hides(place{id, from}) {
				return false
			}
			from++
		}
	}
	return true
}

// whole sees that a record is what was handed in.
func (l *ledger) whole(rec shardlog.Record, id uint64) {
	l.mu.Lock()
	e := l.by[id]
	l.mu.Unlock()
	if e == nil {
		l.sim.fail("nobody handed in %x at %d, key %q", id, rec.Seq, rec.Key)
		return
	}
	if rec.Key != e.key || len(rec.Data) != e.size || string(rec.Data) != string(data(id, e.size)) {
		l.sim.fail("%v: it is not what was handed in", e)
	}
}
