package streams

import (
	"errors"
	"slices"
	"time"

	"headgate/shardlog"
)

var (
	errNotLeading = errors.New("this gateway does not lead its site")
	errPoolFull   = errors.New("too many records wait for the disk")
)

// What waits is sealed at once when a run is full, or all runs together are:
// more would hardly compress better.
const (
	fullRecords = 1000
	fullBytes   = 256 << 10
	runRecords  = 500
	runBytes    = 64 << 10
)

// While less waits, a command is sealed once arrivals pause for quiet, or
// linger after they began. Clients that wait for their answer come back at
// once when they have it: without the pause they would split into two parties
// that take turns.
const (
	quiet  = time.Millisecond
	linger = 2 * time.Millisecond
)

// poolBytes bounds what waits; further Puts queue for a place in their callers.
const poolBytes = 16 << 20

// commandBytes is the most that one command holds, counted by cost: less than
// a command may have, even when nothing of it compresses.
const commandBytes = shardlog.MaxCommandBytes - 16<<10

// leastShare is what every stream gets of a command, however many wait.
const leastShare = 16 << 10

// cost is what an entry takes in the pool and in a command, at most.
func cost(e *shardlog.Entry) int { return e.Size() + len(e.Meta) + 32 }

// pool is the Puts that wait for a command. It reads no clock.
type pool struct {
	pace    time.Duration // between two commands while little waits
	puts    []*put        // oldest first
	records int
	bytes   int           // by cost
	full    bool          // a run is
	epoch   uint64        // grows with every command: runs begin again
	newest  time.Time     // when the last Put came
	sealed  time.Time     // when the last command was
	back    time.Time     // when its outcome came
	room    chan struct{} // closed when there is room again
}

func (p *pool) add(q *put) {
	p.puts = append(p.puts, q)
	p.records += q.records
	p.bytes += q.bytes
	p.newest = q.joined
}

// wait is how long the pool may still gather: until a pace after the last
// command, so that syncs stay few, and until the arrivals pause; but not at
// all when it is full. False: nothing waits.
func (p *pool) wait(now time.Time) (time.Duration, bool) {
	if len(p.puts) == 0 {
		return 0, false
	}
	if p.full || p.records >= fullRecords || p.bytes >= fullBytes {
		return 0, true
	}
	if paced := p.pace - now.Sub(p.sealed); paced > 0 {
		return paced, true
	}
	calm := later(p.newest, p.back).Add(quiet)
	over := later(p.puts[0].joined, p.back).Add(linger)
	if over.Before(calm) {
		calm = over
	}
	return max(0, calm.Sub(now)), true
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// remove takes out what waits of a Put.
func (p *pool) remove(q *put) {
	if i := slices.Index(p.puts, q); i >= 0 {
		p.puts = slices.Delete(p.puts, i, i+1)
		p.records -= q.records
		p.bytes -= q.bytes
	}
}

// take appends to takes what the next command shall hold: the oldest Puts
// first, but no stream more than its share while others wait. A Put that
// changes state which an earlier one of the command changes waits for the next.
func (p *pool) take(takes []take, now time.Time) []take {
	t := taking{takes: takes, room: commandBytes}
	share := t.room
	if p.bytes > t.room {
		share = max(t.room/countStreams(p.puts), leastShare)
	}
	t.head(p.puts[0])
	t.pass(p.puts, share)
	t.pass(p.puts, t.room)
	p.puts = slices.DeleteFunc(p.puts, func(q *put) bool { return q.next == len(q.entries) && q.inFlight })
	p.records -= t.records
	p.bytes -= t.bytes
	p.full, p.epoch, p.sealed = false, p.epoch+1, now
	close(p.room)
	p.room = make(chan struct{})
	return t.takes
}

func countStreams(puts []*put) int {
	names := map[shardlog.StreamName]struct{}{}
	for _, q := range puts {
		names[q.name] = struct{}{}
	}
	return len(names)
}

// taking is a command being filled.
type taking struct {
	takes          []take
	room           int
	records, bytes int
	touched        map[cell]struct{} // state that the command changes
}

type cell struct {
	space shardlog.Space
	key   string
}

// head takes of the Put that has waited longest, so that it gets on whatever
// it is: all of it if it is all or nothing, else its first entry at least.
func (t *taking) head(q *put) {
	if len(q.with) > 0 {
		t.whole(q)
		return
	}
	from, records, bytes := q.next, 0, 0
	for q.next < len(q.entries) && records == 0 {
		records, bytes = q.step()
	}
	t.took(q, from, records, bytes)
}

// pass takes of each stream, in order, what fits into the share.
func (t *taking) pass(puts []*put, share int) {
	used := map[shardlog.StreamName]int{}
	for _, q := range puts {
		left := min(share-used[q.name], t.room-t.bytes)
		switch {
		case left <= 0 || q.next == len(q.entries) && q.inFlight:
		case len(q.with) == 0:
			bytes := t.part(q, left)
			used[q.name] += bytes
			if q.next < len(q.entries) {
				used[q.name] = share // what comes later may not overtake the rest
			}
		case t.overlaps(q.with): // it alone waits: its state is its own order
		case q.bytes > left:
			used[q.name] = share
		default:
			used[q.name] += q.bytes
			t.whole(q)
		}
	}
}

// part takes entries of the Put while they fit.
func (t *taking) part(q *put, left int) (bytes int) {
	from, records := q.next, 0
	for q.next < len(q.entries) {
		if q.results[q.next].Err == nil && bytes+cost(&q.entries[q.next]) > left {
			break
		}
		r, b := q.step()
		records, bytes = records+r, bytes+b
	}
	t.took(q, from, records, bytes)
	return bytes
}

// whole takes the Put with its mutations.
func (t *taking) whole(q *put) {
	if t.touched == nil {
		t.touched = map[cell]struct{}{}
	}
	for _, m := range q.with {
		t.touched[cell{m.Space, m.Key}] = struct{}{}
	}
	from := q.next
	q.next = len(q.entries)
	t.took(q, from, q.records, q.bytes)
}

func (t *taking) overlaps(with []shardlog.Mutation) bool {
	for _, m := range with {
		if _, ok := t.touched[cell{m.Space, m.Key}]; ok {
			return true
		}
	}
	return false
}

// took notes what was taken, as one part of its Put.
func (t *taking) took(q *put, from, records, bytes int) {
	t.records += records
	t.bytes += bytes
	q.records -= records
	q.bytes -= bytes
	if q.inFlight {
		for i := range t.takes {
			if t.takes[i].put == q {
				t.takes[i].to = q.next
			}
		}
		return
	}
	if from == q.next && from < len(q.entries) {
		return // nothing fitted
	}
	q.inFlight = true
	t.takes = append(t.takes, take{q, from, q.next})
}

// oldest is when the longest waiting Put came, the zero time when none waits.
func (p *pool) oldest() time.Time {
	if len(p.puts) == 0 {
		return time.Time{}
	}
	return p.puts[0].since
}
