package storm

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Report is what a storm measured.
type Report struct {
	Seed    uint64  `json:"seed"`
	Devices int     `json:"devices"`
	TLS     bool    `json:"tls"`
	Rounds  []Round `json:"rounds"`
}

// Round is one wave of connects. Times are from a device's first dial to its
// CONNACK, with all that it tried between; in JSON they are nanoseconds.
type Round struct {
	Connected int            `json:"connected"` // devices that got in
	Failures  int            `json:"failures"`  // connects that did not
	Causes    map[string]int `json:"causes,omitempty"`
	Lost      int            `json:"lost"`    // connections that the broker dropped later, while they were held
	Elapsed   time.Duration  `json:"elapsed"` // until the last device was in, or gave up

	Median time.Duration `json:"median"`
	P99    time.Duration `json:"p99"`
	Max    time.Duration `json:"max"`
}

// OK reports whether every device got in and stayed, in every round.
func (r Report) OK() bool {
	return len(r.Rounds) > 0 && !slices.ContainsFunc(r.Rounds, func(o Round) bool { return o.Connected < r.Devices || o.Lost > 0 })
}

// mostCauses bounds the causes that are told apart.
const mostCauses = 20

// tally counts one round.
type tally struct {
	mu        sync.Mutex
	waits     []time.Duration
	connected int
	failures  int
	lost      int
	causes    map[string]int
	last      string
}

func (t *tally) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waits, t.connected, t.failures, t.lost = t.waits[:0], 0, 0, 0
	t.causes, t.last = map[string]int{}, ""
}

func (t *tally) in(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waits = append(t.waits, took)
	t.connected++
}

func (t *tally) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	cause := err.Error()
	var f fault
	if errors.As(err, &f) {
		cause = f.cause()
	}
	if _, known := t.causes[cause]; !known && len(t.causes) >= mostCauses {
		cause = "other"
	}
	t.failures++
	t.causes[cause]++
	t.last = cause
}

func (t *tally) left() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connected--
}

func (t *tally) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost++
}

func (t *tally) progress() (connected, failed int, last string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.connected, t.failures, t.last
}

func (t *tally) round(took time.Duration) Round {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := Round{Connected: len(t.waits), Failures: t.failures, Causes: maps.Clone(t.causes), Lost: t.lost, Elapsed: took}
	if len(t.waits) > 0 {
		slices.Sort(t.waits)
		at := func(q float64) time.Duration { return t.waits[int(q*float64(len(t.waits)-1)+0.5)] }
		r.Median, r.P99, r.Max = at(0.5), at(0.99), at(1)
	}
	return r
}
