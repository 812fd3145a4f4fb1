package forward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"headgate/shardlog"
)

// What a full spool gives up is counted in a note of this gateway before the
// rows are dropped. When there is a leader again it is conceded to the log,
// once: the same command changes a cell of replicated state that says which
// concession of this gateway was the last.

const (
	givenNote                 = "forward.given"
	givenSpace shardlog.Space = "forward.given" // key: the gateway, in hex; value: the last concession's ID
)

// given is the note.
type given struct {
	Through uint64       `json:"through"` // rows up to this are dropped
	Open    []concession `json:"open"`    // not known to be in the log, in order
	Damaged []uint64     `json:"damaged"` // rows that are counted and still in the spool
}

// concession is what is conceded by one command.
type concession struct {
	ID    uint64 `json:"id"`
	Lost  []lost `json:"lost"`
	tried bool   // it may be in the log
}

// lost is what was given up of one stream for one reason.
type lost struct {
	Stream  shardlog.StreamName `json:"stream"`
	Reason  shardlog.Reason     `json:"reason"`
	Records uint64              `json:"records"`
	Bytes   uint64              `json:"bytes"`
	At      time.Time           `json:"at"` // the last time
}

// openGiven reads the note. What it lists may have been conceded already.
func (f *Carrier) openGiven() (through uint64, err error) {
	b, err := f.c.Notes.Local(givenNote)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			err = nil
		}
		return 0, err
	}
	if err := json.Unmarshal(b, &f.given); err != nil {
		f.c.Log.Error("the note of what the spool gave up cannot be read", "error", err, "note", string(b))
		f.given = given{}
	}
	for i := range f.given.Open {
		f.given.Open[i].tried = true
	}
	f.owes = len(f.given.Open) > 0
	return f.given.Through, nil
}

func (f *Carrier) saveGiven() error {
	b, err := json.Marshal(f.given)
	if err != nil {
		return fmt.Errorf("note what the spool gives up: %w", err)
	}
	err = f.c.Notes.SetLocal(givenNote, b)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owes = len(f.given.Open) > 0
	return err
}

// add counts what is given up of a stream. The caller holds front.
func (f *Carrier) give(l lost) {
	g := &f.given
	if n := len(g.Open); n == 0 || g.Open[n-1].tried {
		g.Open = append(g.Open, concession{ID: f.c.Random()})
	}
	all := &g.Open[len(g.Open)-1].Lost
	for i := range *all {
		if o := &(*all)[i]; o.Stream == l.Stream && o.Reason == l.Reason {
			o.Records, o.Bytes, o.At = o.Records+l.Records, o.Bytes+l.Bytes, l.At
			return
		}
	}
	*all = append(*all, l)
}

var (
	errSpoolFull = errors.New("the spool is full")
	errSpoolAge  = errors.New("the spool's oldest entries wait for too long")
)

// makeRoom sees to it that a row of so many bytes may be appended. Kind Full.
func (f *Carrier) makeRoom(bytes int64, now time.Time) error {
	full := f.c.Spool.Stats().Bytes+bytes > f.c.SpoolBytes
	old := f.c.SpoolAge > 0 && f.tooOld(now)
	if !full && !old {
		return nil
	}
	if f.c.Full == DropOldest {
		return f.giveUp(bytes, now)
	}
	cause := errSpoolFull
	if !full {
		cause = errSpoolAge
	}
	return &shardlog.Error{Kind: shardlog.Full, Op: "spool", RetryAfter: mostRetry, Err: cause}
}

func (f *Carrier) tooOld(now time.Time) bool {
	at := f.oldest()
	return !at.IsZero() && now.Sub(at) > f.c.SpoolAge
}

// oldest is when the first row was written; zero when there is none.
func (f *Carrier) oldest() time.Time {
	f.mu.Lock()
	first, at, some := f.queue.first, f.queue.oldest, f.queue.first <= f.queue.last
	f.mu.Unlock()
	if !some || !at.IsZero() {
		return at
	}
	g, ok := f.peek(first)
	if !ok {
		return time.Time{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.queue.first == first {
		f.queue.oldest = g.at
	}
	return g.at
}

// giveUp drops the oldest rows until there is room, some more than needed so
// that it is not done for every row, and none for a row that never fits.
func (f *Carrier) giveUp(bytes int64, now time.Time) error {
	if bytes > f.c.SpoolBytes {
		return &shardlog.Error{Kind: shardlog.Full, Op: "spool", RetryAfter: mostRetry, Err: errSpoolFull}
	}
	f.front.Lock()
	defer f.front.Unlock()
	stats := f.c.Spool.Stats()
	over := stats.Bytes + bytes - f.c.SpoolBytes
	if over > 0 {
		over += f.c.SpoolBytes / 64
	}
	var gone []glance
	through := stats.First - 1
	for through < stats.Last {
		found, err := f.read(through+1, 1)
		if err != nil {
			return unavailable("spool", "", err)
		}
		if len(found) == 0 { // the rest is damaged and set aside
			f.give(lost{Stream: unreadable, Reason: shardlog.Quarantined, At: now})
			gone, through, over = append(gone, glance{}), stats.Last, 0
			break
		}
		size := int64(len(found[0].Bytes))
		r, counts, _, err := decodeHead(found[0].Bytes)
		aged := err == nil && f.c.SpoolAge > 0 && now.Sub(r.at) > f.c.SpoolAge
		if over <= 0 && !aged {
			break
		}
		reason := shardlog.SpoolFull
		if aged {
			reason = shardlog.SpoolAge
		}
		g := glance{row: r}
		if !slices.Contains(f.given.Damaged, found[0].Number) { // else it is counted already
			g = f.giveRow(r, counts, size, reason, now)
		}
		g.number = found[0].Number
		gone = append(gone, g)
		through, over = found[0].Number, over-size
	}
	return f.drop(through, gone)
}

// giveRow counts a row, shared among its streams by records.
func (f *Carrier) giveRow(r row, counts []int, size int64, reason shardlog.Reason, now time.Time) glance {
	g := glance{row: r}
	for _, n := range counts {
		g.heads += uint64(n)
	}
	if len(r.items) == 0 {
		f.give(lost{Stream: unreadable, Reason: shardlog.Quarantined, Bytes: uint64(size), At: now})
	}
	for i, n := range counts {
		if n > 0 {
			f.give(lost{Stream: r.items[i].stream, Reason: reason, Records: uint64(n), Bytes: uint64(size) * uint64(n) / g.heads, At: now})
		}
	}
	f.counts.dropped.Add(g.heads)
	return g
}

// drop notes what was given up, and only then drops it.
func (f *Carrier) drop(through uint64, gone []glance) error {
	if len(gone) == 0 {
		return nil
	}
	f.given.Through = through
	f.given.Damaged = slices.DeleteFunc(f.given.Damaged, func(n uint64) bool { return n <= through })
	if err := f.saveGiven(); err != nil {
		return unavailable("spool", "", err)
	}
	if err := f.c.Spool.Drop(through); err != nil {
		return unavailable("spool", "", err)
	}
	f.c.Log.Warn("the spool gave up its oldest rows", "rows", len(gone), "through", through)
	for _, g := range gone {
		f.passed(g.number, g.row)
	}
	f.passed(through, row{})
	return nil
}

// concede tells the log what was given up, until it has it or ctx ends.
func (f *Carrier) concede(ctx context.Context) error {
	for len(f.given.Open) > 0 {
		c := &f.given.Open[0]
		if len(c.Lost) > 0 {
			c.tried = true
			if err := f.concedeOne(ctx, c); err != nil {
				return err
			}
		}
		f.given.Open = f.given.Open[1:]
		if err := f.saveGiven(); err != nil {
			return err
		}
	}
	return nil
}

func (f *Carrier) concedeOne(ctx context.Context, c *concession) error {
	var gaps []shardlog.Gap
	for _, l := range c.Lost {
		g := shardlog.Gap{Stream: l.Stream, Records: l.Records, Bytes: l.Bytes, Reason: l.Reason, At: l.At}
		if s, ok := f.c.Catalog.Stream(l.Stream); ok {
			g.Shard.Stream = s.ID
		}
		gaps = append(gaps, g)
	}
	key, value := fmt.Sprintf("%016x", f.c.Gateway), fmt.Appendf(nil, "%016x", c.ID)
	var cause error
	for wait := leastRetry; wait < mostRetry; wait *= 2 {
		last, version, err := f.c.States.Get(ctx, givenSpace, key)
		if err != nil && shardlog.KindOf(err) != shardlog.NotFound {
			return err
		}
		if string(last) == string(value) {
			return nil
		}
		once := shardlog.Mutation{Space: givenSpace, Key: key, Value: value, Expect: shardlog.At(version)}
		index, err := f.order(ctx, order{op: opConcede, gaps: gaps, changes: []shardlog.Mutation{once}})
		if err == nil {
			return f.await(ctx, index)
		}
		cause = err
		if err := pause(ctx, wait, nil); err != nil {
			return err
		}
	}
	return fmt.Errorf("concede what the spool gave up: %w", cause)
}
