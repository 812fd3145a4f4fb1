package history_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/deploy/prove/proofs/histories/history"
)

// number is the sequence number of a place.
func number(place int) string { return fmt.Sprintf("4900000%d", place+100) }

func log(values ...string) (all []history.Record) {
	for place, v := range values {
		all = append(all, history.Record{Number: number(place), Value: v})
	}
	return all
}

// sound is a small history without faults: two puts known, one unknown that
// is there, one unknown that is not; readers through three gateways.
func sound() *history.History {
	const ms = time.Millisecond
	h := &history.History{
		Puts: []history.Put{
			{Client: "w1", Shard: "s", Value: "a", Called: 10 * ms, Ended: 20 * ms, Outcome: history.Stored, Number: number(0)},
			{Client: "w2", Shard: "s", Value: "b", Called: 12 * ms, Ended: 99 * ms, Outcome: history.Unknown},
			{Client: "w1", Shard: "s", Value: "c", Called: 30 * ms, Ended: 40 * ms, Outcome: history.Stored, Number: number(1)},
			{Client: "w3", Shard: "s", Value: "d", Called: 30 * ms, Ended: 40 * ms, Outcome: history.Unknown},
			{Client: "w3", Shard: "s", Value: "e", Called: 50 * ms, Ended: 51 * ms, Outcome: history.Refused, Error: "throttled"},
		},
		Iterators: []history.Iterator{
			{ID: 1, Client: "r1", Shard: "s", Start: history.Horizon},
			{ID: 2, Client: "r2", Shard: "s", Start: history.After, Number: number(0), Called: 41 * ms, Ended: 42 * ms},
			{ID: 3, Client: "r3", Shard: "s", Start: history.Latest, Called: 41 * ms, Ended: 42 * ms},
		},
		Reads: []history.Read{
			{Iterator: 1, Gateway: 1, Called: 10 * ms, Ended: 15 * ms, Records: log("a")},
			{Iterator: 1, Gateway: 2, Called: 35 * ms, Ended: 45 * ms},
			{Iterator: 1, Gateway: 3, Called: 46 * ms, Ended: 48 * ms, Records: log("a", "c")[1:]},
			{Iterator: 2, Gateway: 1, Called: 60 * ms, Ended: 62 * ms, Records: log("a", "c", "b")[1:]},
			{Iterator: 3, Gateway: 1, Called: 70 * ms, Ended: 72 * ms, Records: log("a", "c", "b")[2:]},
		},
	}
	for g := range 3 {
		h.Copies = append(h.Copies, history.Copy{Gateway: g + 1, Shard: "s", Records: log("a", "c", "b")})
	}
	return h
}

func TestASoundHistory(t *testing.T) {
	if faults := sound().Check(); len(faults) > 0 {
		t.Error(faults)
	}
}

func move(p *history.Put, called, ended time.Duration) {
	p.Called, p.Ended = called*time.Millisecond, ended*time.Millisecond
}

func TestFaults(t *testing.T) {
	everywhere := func(h *history.History, r []history.Record) {
		for i := range h.Copies {
			h.Copies[i].Records = r
		}
	}
	for name, c := range map[string]struct {
		spoil func(h *history.History)
		want  history.Law
	}{
		"an acknowledged record is gone":      {func(h *history.History) { everywhere(h, log("a")); h.Reads, h.Iterators = nil, nil }, history.NothingLost},
		"it has another number":               {func(h *history.History) { h.Puts[0].Number = number(7) }, history.NothingLost},
		"a gateway lacks the end":             {func(h *history.History) { h.Copies[1].Records = log("a", "c") }, history.OneLog},
		"a gateway has another order":         {func(h *history.History) { h.Copies[1].Records = log("c", "a", "b") }, history.OneLog},
		"numbers fall":                        {func(h *history.History) { r := log("a", "c", "b"); r[2].Number = number(-5); everywhere(h, r) }, history.OneLog},
		"a value is there twice":              {func(h *history.History) { everywhere(h, log("a", "c", "b", "b")) }, history.NothingTwice},
		"a value comes from nowhere":          {func(h *history.History) { everywhere(h, log("a", "c", "b", "x")) }, history.NothingNew},
		"a refused value is there":            {func(h *history.History) { everywhere(h, log("a", "c", "b", "e")) }, history.NothingNew},
		"a read saw what was not committed":   {func(h *history.History) { h.Reads[2].Records = log("a", "c", "b", "d")[3:] }, history.Committed},
		"a read saw another value":            {func(h *history.History) { h.Reads[0].Records = log("d") }, history.Committed},
		"an iterator went back":               {func(h *history.History) { h.Reads[2].Records = log("a", "c") }, history.Forward},
		"an iterator skipped":                 {func(h *history.History) { h.Reads[2].Records = log("a", "c", "b")[2:] }, history.Forward},
		"a page has a hole":                   {func(h *history.History) { h.Reads[3].Records = []history.Record{log("a")[0], log("a", "c", "b")[2]} }, history.Forward},
		"after its own number":                {func(h *history.History) { h.Reads[3].Records = log("a", "c", "b") }, history.Forward},
		"an iterator stands after nothing":    {func(h *history.History) { h.Iterators[1].Number = number(9) }, history.Committed},
		"a later put came before":             {func(h *history.History) { move(&h.Puts[0], 50, 51) }, history.Linearizable},
		"a read saw a put before its call":    {func(h *history.History) { h.Reads[0].Called, h.Reads[0].Ended = 1, 2 }, history.Linearizable},
		"an unknown put came before its call": {func(h *history.History) { h.Puts[1].Called = 65 * time.Millisecond }, history.Linearizable},
		"latest was ahead of its time":        {func(h *history.History) { h.Iterators[2].Called, h.Iterators[2].Ended = 1, 2 }, history.Newest},
		"latest missed a record":              {func(h *history.History) { move(&h.Puts[2], 45, 90) }, history.Newest},
		"latest began before what was stored": {func(h *history.History) { h.Reads[4].Records = log("a", "c", "b")[1:] }, history.Newest},
	} {
		h := sound()
		c.spoil(h)
		faults := h.Check()
		if !slices.ContainsFunc(faults, func(f history.Fault) bool { return f.Law == c.want }) {
			t.Errorf("%s: %v, want %q", name, faults, c.want)
		}
		for _, f := range faults {
			if f.Law == history.Linearizable && strings.Contains(f.Text, "no order") {
				t.Errorf("%s: no reason: %v", name, f)
			}
		}
	}
}

// play makes a random history of a log that does everything right: puts take
// effect between call and end, or of unknown ones perhaps later or never;
// gateways are late by their own measure.
func play(r *rand.Rand, puts int) *history.History {
	h := &history.History{}
	type effect struct {
		at    time.Duration
		value string
		put   int
	}
	var effects []effect
	clients := make([]time.Duration, 4)
	for n := range puts {
		w := r.IntN(len(clients))
		called := clients[w] + time.Duration(1+r.IntN(5))
		ended := called + time.Duration(2+r.IntN(20))
		p := history.Put{Client: fmt.Sprint("w", w), Shard: "s", Value: fmt.Sprint("v", n), Called: called, Ended: ended, Outcome: history.Stored}
		at := called + 1 + time.Duration(r.IntN(int(ended-called)-1))
		if r.IntN(10) == 0 {
			p.Outcome, at = history.Unknown, called+1+time.Duration(r.IntN(100))
		}
		if p.Outcome == history.Stored || r.IntN(2) == 0 {
			effects = append(effects, effect{at, p.Value, n})
		}
		clients[w], h.Puts = ended, append(h.Puts, p)
	}
	slices.SortStableFunc(effects, func(a, b effect) int { return int(a.at - b.at) })
	var values []string
	for place, e := range effects {
		values = append(values, e.value)
		if p := &h.Puts[e.put]; p.Outcome == history.Stored {
			p.Number = number(place)
		}
	}
	all := log(values...)
	length := func(at time.Duration) (n int) {
		for n < len(effects) && effects[n].at < at {
			n++
		}
		return n
	}
	for id := range 4 {
		i := history.Iterator{ID: id, Client: fmt.Sprint("r", id), Shard: "s", Start: history.Horizon}
		place, now := 0, time.Duration(r.IntN(50))
		if id == 3 {
			i.Start, i.Called, i.Ended, place = history.Latest, now, now+3, length(now+2)
		}
		h.Iterators = append(h.Iterators, i)
		for place < len(all) {
			called := now + 4
			now = called + time.Duration(2+r.IntN(10))
			to := max(place, min(length(now-1)-r.IntN(3), place+r.IntN(5)))
			h.Reads = append(h.Reads, history.Read{Iterator: id, Gateway: 1 + r.IntN(3), Called: called, Ended: now, Records: all[place:to]})
			place = to
		}
	}
	for g := range 3 {
		h.Copies = append(h.Copies, history.Copy{Gateway: g, Shard: "s", Records: slices.Clone(all)})
	}
	return h
}

func TestRandomSoundHistories(t *testing.T) {
	for seed := range uint64(200) {
		h := play(rand.New(rand.NewPCG(seed, 1)), 60)
		if faults := h.Check(); len(faults) > 0 {
			t.Fatalf("seed %d: %v", seed, faults)
		}
	}
}

// TestSwappedRecordsAreFound swaps two records that are apart in time,
// everywhere and with their numbers: only the order in time shows it.
func TestSwappedRecordsAreFound(t *testing.T) {
	found := 0
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		h := play(r, 60)
		h.Reads, h.Iterators = nil, nil
		all := h.Copies[0].Records
		a, b := 2, len(all)-3
		all[a].Value, all[b].Value = all[b].Value, all[a].Value
		for i := range h.Copies {
			h.Copies[i].Records = all
		}
		for i := range h.Puts {
			for _, rec := range all {
				if h.Puts[i].Outcome == history.Stored && h.Puts[i].Value == rec.Value {
					h.Puts[i].Number = rec.Number
				}
			}
		}
		faults := h.Check()
		if len(faults) == 1 && faults[0].Law == history.Linearizable && !strings.Contains(faults[0].Text, "no order") {
			found++
		} else if len(faults) > 0 {
			t.Errorf("seed %d: %v", seed, faults)
		}
	}
	if found < 50 {
		t.Errorf("%d of 50 were found", found)
	}
}

func TestDraw(t *testing.T) {
	var page strings.Builder
	if err := sound().Draw("s", &page); err != nil || !strings.Contains(page.String(), "put at 0") {
		t.Errorf("%d bytes, %v", page.Len(), err)
	}
}

func TestALongHistoryIsJudgedInTime(t *testing.T) {
	began := time.Now()
	h := play(rand.New(rand.NewPCG(1, 3)), 10_000)
	made := time.Now()
	if faults := h.Check(); len(faults) > 0 {
		t.Fatal(faults)
	}
	t.Logf("10,000 puts and %d reads: made in %v, judged in %v", len(h.Reads), made.Sub(began), time.Since(made))
}
