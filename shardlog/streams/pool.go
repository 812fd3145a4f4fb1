package streams

import (
	"errors"
	"slices"
	"time"
)

var (
	errNotLeading = errors.New("this gateway does not lead its site")
	errPoolFull   = errors.New("too many records wait for the disk")
)

// A pool seals at once when so much waits: more would hardly compress better.
const (
	fullRecords = 1000
	fullBytes   = 256 << 10
)

// poolBytes bounds what waits; further Puts queue for a place in their callers.
const poolBytes = 16 << 20

// pool is the Puts that wait for a command. It reads no clock.
type pool struct {
	pace    time.Duration // between two commands while little waits
	puts    []*put        // oldest first
	records int
	bytes   int
	last    time.Time // when the last command was sealed
	room    chan struct{}
}

func (p *pool) add(q *put, records int) {
	p.puts = append(p.puts, q)
	p.records += records
	p.bytes += q.bytes
}

// wait is how long the pool may still gather: until a pace after the last
// command, so that syncs stay few, but not when it is full. A record that
// comes to an idle pool does not wait. False: nothing waits.
func (p *pool) wait(now time.Time) (time.Duration, bool) {
	if len(p.puts) == 0 {
		return 0, false
	}
	if p.records >= fullRecords || p.bytes >= fullBytes {
		return 0, true
	}
	return max(0, p.pace-now.Sub(p.last)), true
}

// remove takes out a Put that no command holds; false when it is not there.
func (p *pool) remove(q *put) bool {
	i := slices.Index(p.puts, q)
	if i < 0 {
		return false
	}
	p.puts = slices.Delete(p.puts, i, i+1)
	p.bytes -= q.bytes
	for _, r := range q.results[q.next:] {
		if r.Err == nil {
			p.records--
		}
	}
	return true
}

// oldest is when the longest waiting Put came, the zero time when none waits.
func (p *pool) oldest() time.Time {
	if len(p.puts) == 0 {
		return time.Time{}
	}
	return p.puts[0].since
}
