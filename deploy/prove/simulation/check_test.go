package simulation_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/store"
)

// settleAndCheck waits until the site has agreed on everything, and holds it
// against what clients were told. In some histories a box is kept away first:
// the others must have everything.
func (s *history) settleAndCheck() {
	if s.plan.minority {
		away := s.boxes[s.plan.seed%3]
		s.note("box %d is kept away", away.host)
		spool := s.rows(away)
		s.crash(away)
		if s.converge() {
			s.check(spool == 0)
		}
		s.note("box %d comes back", away.host)
		s.begin(away)
	}
	if s.converge() {
		s.check(true)
		s.replay()
	}
}

// replay applies everything that was agreed on to a new store: it is then like
// those of the gateways, which crashed, pulled and applied it in pieces. When
// some command was seen applied by nobody, there is nothing to replay.
func (s *history) replay() {
	l := s.leader()
	if l == nil {
		return
	}
	last := l.store.Applied()
	if !s.truth.whole(last) {
		return
	}
	fresh, err := store.Open("data", store.Options{Disk: newDisk(), Memtable: 512 << 10, Cache: 64 << 10, Log: s.log})
	if err != nil {
		s.fail("replay: %v", err)
		return
	}
	defer fresh.Close()
	s.mu.Lock()
	entries := maps.Clone(s.truth.entries)
	s.mu.Unlock()
	for index := uint64(1); index <= last; index++ {
		e, commands := entries[index]
		err := fresh.Journal().Append([]shardlog.JournalEntry{{Index: index, Term: 1, Commands: commands, Data: e.batch}})
		if err == nil && commands {
			var batch []shardlog.Command
			if batch, err = shardlog.DecodeCommands(e.batch); err == nil {
				_, err = fresh.Apply(index, batch)
			}
		}
		if err != nil {
			s.fail("replay entry %d: %v", index, err)
			return
		}
	}
	mine, err1 := portrait(fresh)
	theirs, err2 := portrait(l.store)
	if err1 != nil || err2 != nil {
		s.fail("replay: %v, %v", err1, err2)
	} else if diff := mine.compare(theirs); diff != "" && l.store.Applied() == last {
		s.fail("a replay and box %d differ: %s", l.host(), diff)
	}
	s.counts.replays.Add(1)
}

func (s *history) rows(b *box) uint64 {
	if l := b.alive(); l != nil {
		return l.carrier.State().Rows
	}
	return 0
}

const convergence = 4 * time.Minute

// converge waits until all have applied the same and no spool holds anything.
func (s *history) converge() bool {
	steady := 0
	late := time.Now().Add(convergence)
	var why string
	for steady < 3 {
		if why = s.apart(); why == "" {
			steady++
		} else {
			steady = 0
		}
		if time.Now().After(late) {
			s.fail("the site does not come together: %s", why)
			return false
		}
		_ = rest(s.ctx, 200*time.Millisecond)
	}
	return true
}

// apart says what is not settled, "" when everything is.
func (s *history) apart() string {
	lead := s.leader()
	if lead == nil {
		return "nobody leads"
	}
	want := lead.group.Stats()
	if want.Committed != want.Last {
		return fmt.Sprintf("box %d leads, has committed %d of %d", lead.host(), want.Committed, want.Last)
	}
	for _, b := range s.boxes {
		l := b.alive()
		if l == nil {
			continue
		}
		st := l.carrier.State()
		g := l.group.Stats()
		switch {
		case st.Isolated || st.Rows > 0 || st.Draining || st.Owed > 0:
			return fmt.Sprintf("box %d: %+v", b.host, st)
		case g.Applied != want.Applied || g.Last != want.Last && g.Last != 0 || g.Committed != want.Committed: // a pull leaves an empty journal
			return fmt.Sprintf("box %d: applied %d committed %d of %d, leader %q, pulling %d; the leader is box %d with %d %d %d", b.host, g.Applied, g.Committed, g.Last, g.Leader, g.Pulling, lead.host(), want.Applied, want.Committed, want.Last)
		case l.incomplete():
			n, err := l.store.Holes()
			return fmt.Sprintf("box %d has %d holes, %v", b.host, n, err)
		}
	}
	return ""
}

// check holds everything against everything. Not all spools are empty when
// a box that has spooled is away.
func (s *history) check(spools bool) {
	var all []*life
	for _, b := range s.boxes {
		if l := b.alive(); l != nil {
			all = append(all, l)
		}
	}
	s.alike(all)
	for _, l := range all {
		s.whole(l)
	}
	s.readsAsAgreed(all[len(all)/2])
	s.promises(all[0], spools)
	s.counters(all[0])
}

// alike compares the stores byte by byte.
func (s *history) alike(all []*life) {
	for range 10 { // a gateway that is idle may yet tell the log so
		diff, again := s.compare(all)
		if diff == "" {
			return
		}
		if !again {
			s.fail("%s", diff)
			return
		}
		s.converge()
	}
	s.fail("the log never rests")
}

// compare says how stores differ. again: one of them has applied more.
func (s *history) compare(all []*life) (diff string, again bool) {
	first, err := portrait(all[0].store)
	if err != nil {
		return fmt.Sprintf("box %d: %v", all[0].host(), err), false
	}
	for _, l := range all[1:] {
		other, err := portrait(l.store)
		if err != nil {
			return fmt.Sprintf("box %d: %v", l.host(), err), false
		}
		if diff := first.compare(other); diff != "" {
			return fmt.Sprintf("boxes %d and %d differ: %s", all[0].host(), l.host(), diff), first.applied != other.applied
		}
	}
	return "", false
}

// likeness is everything that gateways must have in common.
type likeness struct {
	applied uint64
	names   []string // of rows and blocks, sorted
	values  []uint64 // digests
}

func portrait(st *store.Store) (p likeness, err error) {
	o, err := st.Offer()
	if err != nil {
		return p, err
	}
	defer o.Close()
	p.applied = o.Applied
	add := func(name string, value []byte) {
		h := fnv.New64a()
		h.Write(value)
		p.names, p.values = append(p.names, name), append(p.values, h.Sum64())
	}
	err = o.Blocks(0, 0, func(k store.BlockKey, _ int) error {
		sealed, err := st.Block(k)
		if err != nil {
			return fmt.Errorf("block %v: %w", k, err)
		}
		add("block "+k.String(), sealed)
		return nil
	})
	if err != nil {
		return p, err
	}
	err = o.Rows(func(key, value []byte) error {
		add(fmt.Sprintf("row %q %q", key, value[:min(len(value), 200)]), value)
		return nil
	})
	return p, err
}

func (p likeness) compare(o likeness) string {
	mine, theirs := map[string]uint64{}, map[string]uint64{}
	for i, n := range p.names {
		mine[n] = p.values[i]
	}
	for i, n := range o.names {
		theirs[n] = o.values[i]
	}
	var all []string
	for n, v := range mine {
		if w, ok := theirs[n]; !ok {
			all = append(all, "only the first has "+n)
		} else if v != w {
			all = append(all, "different: "+n)
		}
	}
	for n := range theirs {
		if _, ok := mine[n]; !ok {
			all = append(all, "only the second has "+n)
		}
	}
	slices.Sort(all)
	return strings.Join(all[:min(len(all), 6)], "; ")
}

// whole has the store verify itself.
func (s *history) whole(l *life) {
	r, err := l.store.Verify(context.Background(), nil)
	if err != nil || len(r.Bad)+len(r.Missing) > 0 {
		s.fail("box %d: verify: %v, bad %v, missing %v", l.host(), err, r.Bad, r.Missing)
	}
}

// readsAsAgreed reads everything at one gateway: it is what was agreed on.
func (s *history) readsAsAgreed(l *life) {
	for _, st := range l.store.Streams() {
		if st.Name.Own() {
			continue
		}
		for _, sh := range st.Shards {
			s.shardAsAgreed(l, sh)
		}
	}
}

func (s *history) shardAsAgreed(l *life, sh shardlog.Shard) {
	agreed := s.truth.shards[sh.ID]
	var missed []place
	next := sh.Oldest
	for at := (shardlog.Cursor{}); ; {
		page, err := l.store.Read(context.Background(), sh.ID, at, shardlog.Budget{Records: 1000, Bytes: 4 << 20})
		if err != nil {
			s.fail("box %d: read %v of %d: %v", l.host(), sh.ID, sh.ID.Stream, err)
			return
		}
		for _, rec := range page.Records {
			if rec.Seq != next && !s.excused(sh.ID, next, rec.Seq, page.Gaps, sh.Oldest) {
				s.fail("box %d: %v of %d: %d follows %d", l.host(), sh.ID, sh.ID.Stream, rec.Seq, next-1)
			}
			next = rec.Seq + 1
			if s.truth.hides(place{sh.ID, rec.Seq}) {
				s.fail("box %d: %v of %d: %d is read, it was given up", l.host(), sh.ID, sh.ID.Stream, rec.Seq)
			}
			id := idOf(rec.Meta)
			s.ledger.saw(place{sh.ID, rec.Seq}, id, fmt.Sprintf("box %d at the end", l.host()))
			s.ledger.whole(rec, id)
			if was, known := agreed[rec.Seq]; known && was != id {
				s.fail("box %d: %v of %d: %d is %x, agreed was %x", l.host(), sh.ID, sh.ID.Stream, rec.Seq, id, was)
			} else if !known {
				missed = append(missed, place{sh.ID, rec.Seq})
				s.truth.record(place{sh.ID, rec.Seq}, rec)
			}
		}
		if at = page.Next; page.Tip {
			break
		}
	}
	if len(missed) > 0 {
		s.truth.blind = true
		s.note("%d records were seen applied by nobody, the first %v", len(missed), missed[0])
	}
	if next != sh.Next && !s.excused(sh.ID, next, sh.Next, s.gapsOf(l, sh.ID), sh.Oldest) {
		s.fail("box %d: %v of %d ends at %d, its next is %d", l.host(), sh.ID, sh.ID.Stream, next-1, sh.Next)
	}
	if was := s.ledger.horizons[sh.ID]; sh.Oldest < was {
		s.fail("box %d: %v of %d begins at %d, readers saw %d", l.host(), sh.ID, sh.ID.Stream, sh.Oldest, was)
	}
}

func (s *history) gapsOf(l *life, id shardlog.ShardID) (all []shardlog.Gap) {
	for g, err := range l.store.Gaps(context.Background()) {
		if err != nil {
			s.fail("box %d: gaps: %v", l.host(), err)
			return nil
		}
		if g.Shard == id && g.First > 0 {
			all = append(all, g)
		}
	}
	return all
}

// promises holds what clients were told against what was agreed on.
func (s *history) promises(l *life, spools bool) {
	t := s.truth
	lost := map[shardlog.StreamName]uint64{} // acknowledged by a spool, and nowhere
	var example *item
	for _, e := range s.ledger.items {
		places := t.places[e.id]
		if n := s.copies(l, e, places); n > 1 {
			s.fail("%v is stored %d times: %v", e, n, places)
		}
		switch e.fate {
		case refused:
			if len(places) > 0 && !t.deleted[places[0].shard.Stream] { // a Put does not look for its number in a stream that is gone
				s.fail("%v is stored at %v", e, places)
			}
		case placed:
			if len(places) == 0 || places[0] != e.at {
				s.fail("%v was acknowledged at %v, is at %v", e, e.at, places)
			}
		case spooled:
			if len(places) == 0 && spools && !s.boxes[e.host].gone {
				lost[e.stream]++
				example = e
			}
		}
		for _, p := range places {
			s.kept(l, e, p)
		}
	}
	for name, n := range lost {
		if gap := t.gapped[name] + t.gapped[""]; n > gap {
			s.fail("%d entries of %s were acknowledged by a spool and are nowhere, %d are accounted for; one is %v", n, name, gap, example)
		}
	}
	s.order()
}

// copies counts how often an entry is stored. An exact message whose stream is
// deleted on its way may come to the orphans once for every time it was tried:
// what makes it one, its note, does not go there with it.
func (s *history) copies(l *life, e *item, places []place) int {
	if s.plan.writers[e.writer].kind != "exact" {
		return len(places)
	}
	n := 0
	for _, p := range places {
		if st, ok := l.store.StreamByID(p.shard.Stream); ok && !st.Name.Own() {
			n++
		}
	}
	return n
}

// kept sees that what was agreed on is readable, or given up with notice.
func (s *history) kept(l *life, e *item, p place) {
	st, ok := l.store.StreamByID(p.shard.Stream)
	if s.truth.deleted[p.shard.Stream] {
		return
	}
	if !ok {
		s.fail("%v: its stream is gone", e)
		return
	}
	sh, _ := st.Shard(p.shard.Number)
	if _, seen := s.ledger.read[p]; seen || p.seq < sh.Oldest || s.excused(p.shard, p.seq, p.seq+1, s.gapsOf(l, p.shard), sh.Oldest) {
		return
	}
	if e.fate >= spooled && !st.Name.Own() {
		s.fail("%v at %v is not readable", e, p)
	}
}

// order sees that acknowledged entries of a key lie in the order in which they
// were handed in. What one gateway's spool held and another took directly is
// in no order.
func (s *history) order() {
	type line struct {
		stream shardlog.StreamName
		key    string
	}
	lines := map[line][]*item{}
	for _, e := range s.ledger.items {
		if e.fate >= spooled && len(s.truth.places[e.id]) == 1 {
			k := line{e.stream, e.key}
			lines[k] = append(lines[k], e)
		}
	}
	for _, all := range lines {
		slices.SortFunc(all, func(a, b *item) int {
			if a.put != b.put {
				return a.put - b.put
			}
			return a.n - b.n
		})
		var last *item             // of those that had a place when they were acknowledged
		spoolOf := map[int]*item{} // the last by a box's spool
		for _, e := range all {
			at := s.truth.places[e.id][0]
			for _, before := range []*item{last, spoolOf[e.host]} {
				if before == nil {
					continue
				}
				if was := s.truth.places[before.id][0]; was.shard == at.shard && was.seq > at.seq {
					s.fail("%v lies at %v, before %v at %v", e, at, before, was)
				}
			}
			if e.fate == placed {
				last = e
			} else if s.plan.writers[e.writer].kind == "plain" {
				spoolOf[e.host] = e
			}
		}
	}
}

// counters sees that every acknowledged step was made, and none twice.
func (s *history) counters(l *life) {
	for cell, t := range s.ledger.counters {
		n := uint64(0)
		value, _, err := l.store.Get(context.Background(), counterSpace, cell)
		if err == nil && len(value) == 8 {
			n = binary.BigEndian.Uint64(value)
		}
		if n < t.acked || n > t.acked+t.unsure {
			s.fail("counter %s is %d: %d were acknowledged, %d unsure", cell, n, t.acked, t.unsure)
		}
	}
}
