package streams

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"headgate/shardlog"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// waiting is a Put of some entries of so many bytes each that came then.
func waiting(name shardlog.StreamName, joined time.Time, entries, bytes int, with ...shardlog.Mutation) *put {
	q := &put{name: name, since: joined, joined: joined, with: with,
		entries: make([]shardlog.Entry, entries), results: make([]shardlog.Result, entries)}
	for i := range q.entries {
		q.entries[i] = shardlog.Entry{Data: make([]byte, bytes-32)}
		q.records, q.bytes = q.records+1, q.bytes+bytes
	}
	return q
}

func poolOf(puts ...*put) *pool {
	p := &pool{pace: 25 * time.Millisecond, room: make(chan struct{})}
	for _, q := range puts {
		p.add(q)
	}
	return p
}

func TestPoolWaits(t *testing.T) {
	const ms = time.Millisecond
	one := func(at time.Duration) *put { return waiting("s", noon.Add(at), 1, 100) }
	tests := map[string]struct {
		puts         []*put
		full         bool
		sealed, back time.Duration // before noon
		now          time.Duration
		want         time.Duration
	}{
		"a lone record, idle box":      {[]*put{one(0)}, false, time.Hour, time.Hour, 0, ms},
		"quiet since it came":          {[]*put{one(0)}, false, time.Hour, time.Hour, ms, 0},
		"others come, it is not quiet": {[]*put{one(0), one(ms / 2)}, false, time.Hour, time.Hour, ms, ms / 2},
		"others come all the time":     {[]*put{one(0), one(ms), one(19 * ms / 10)}, false, time.Hour, time.Hour, 19 * ms / 10, ms / 10},
		"the linger is over":           {[]*put{one(0), one(ms), one(2 * ms)}, false, time.Hour, time.Hour, 2 * ms, 0},
		"sealed a moment ago":          {[]*put{one(0)}, false, 5 * ms, 4 * ms, 0, 20 * ms},
		"paced out":                    {[]*put{one(-24 * ms)}, false, 25 * ms, 20 * ms, 0, 0},
		"slow commit, let them return": {[]*put{one(-30 * ms)}, false, 60 * ms, 0, 0, ms},
		"slow commit, some returned":   {[]*put{one(-30 * ms), one(ms / 2)}, false, 60 * ms, 0, ms, ms / 2},
		"slow commit, linger is over":  {[]*put{one(-30 * ms), one(19 * ms / 10)}, false, 60 * ms, 0, 2 * ms, 0},
		"a run is full":                {[]*put{one(0)}, true, ms, 0, 0, 0},
		"many records":                 {[]*put{waiting("s", noon, 1000, 40)}, false, ms, 0, 0, 0},
		"not so many":                  {[]*put{waiting("s", noon, 999, 40)}, false, ms, 0, 0, 24 * ms},
		"many bytes":                   {[]*put{waiting("s", noon, 4, 64<<10)}, false, ms, 0, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := poolOf(test.puts...)
			p.full, p.sealed, p.back = test.full, noon.Add(-test.sealed), noon.Add(-test.back)
			if got, any := p.wait(noon.Add(test.now)); !any || got != test.want {
				t.Errorf("waits %v, %v, want %v", got, any, test.want)
			}
		})
	}
	if _, any := poolOf().wait(noon); any {
		t.Error("an empty pool waits for something")
	}
}

func set(key string) shardlog.Mutation {
	return shardlog.Mutation{Space: "t", Key: key, Value: []byte{1}}
}

// taken is what a command takes, as name and range of each Put.
func taken(p *pool) string {
	var parts []string
	for _, t := range p.take(nil, noon) {
		parts = append(parts, fmt.Sprintf("%s %d-%d", t.put.name, t.from, t.to))
		t.put.inFlight = false
	}
	return strings.Join(parts, ", ")
}

func TestPoolTakes(t *testing.T) {
	const kib = 1 << 10
	tests := map[string]struct {
		puts []*put
		want []string // of one command after the other
	}{
		"all that wait":            {[]*put{waiting("a", noon, 3, 100), waiting("b", noon, 1, 100), waiting("a", noon, 2, 100)}, []string{"a 0-3, b 0-1, a 0-2"}},
		"a large Put in parts":     {[]*put{waiting("a", noon, 2500, kib)}, []string{"a 0-1008", "a 1008-2016", "a 2016-2500"}},
		"order within a stream":    {[]*put{waiting("a", noon, 1500, kib), waiting("a", noon, 3, kib)}, []string{"a 0-1008", "a 1008-1500, a 0-3"}},
		"a stream floods":          {[]*put{waiting("a", noon, 3000, kib), waiting("b", noon, 10, kib), waiting("c", noon, 10, kib)}, []string{"a 0-988, b 0-10, c 0-10", "a 988-1996", "a 1996-3000"}},
		"one record is larger":     {[]*put{waiting("a", noon, 2, 1100*kib), waiting("b", noon, 1, kib)}, []string{"a 0-1", "a 1-2", "b 0-1"}},
		"the same state waits":     {[]*put{waiting("a", noon, 1, kib, set("x")), waiting("a", noon, 2, kib, set("y"), set("x")), waiting("a", noon, 3, kib, set("z"))}, []string{"a 0-1, a 0-3", "a 0-2"}},
		"all or nothing fits":      {[]*put{waiting("a", noon, 500, kib, set("x")), waiting("b", noon, 600, kib, set("y")), waiting("c", noon, 1, kib)}, []string{"a 0-500, c 0-1", "b 0-600"}},
		"nothing overtakes it":     {[]*put{waiting("a", noon, 500, kib), waiting("b", noon, 600, kib, set("y")), waiting("b", noon, 1, kib)}, []string{"a 0-500", "b 0-600, b 0-1"}},
		"only state":               {[]*put{waiting("a", noon, 0, 0, set("x")), waiting("a", noon, 0, 0, set("x"))}, []string{"a 0-0", "a 0-0"}},
		"a large record, others":   {[]*put{waiting("a", noon, 1, kib), waiting("b", noon, 1, 1000*kib), waiting("a", noon, 1000, kib)}, []string{"a 0-1, a 0-1000", "b 0-1"}},
		"refused entries are free": {[]*put{refused(waiting("a", noon, 4, kib), 0, 3), waiting("a", noon, 1, kib)}, []string{"a 0-4, a 0-1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := poolOf(test.puts...)
			for i, want := range test.want {
				if got := taken(p); got != want {
					t.Fatalf("command %d takes %s, want %s", i, got, want)
				}
			}
			if len(p.puts) != 0 || p.records != 0 || p.bytes != 0 {
				t.Errorf("left: %d Puts, %d records, %d bytes", len(p.puts), p.records, p.bytes)
			}
		})
	}
}

func refused(q *put, which ...int) *put {
	for _, i := range which {
		q.results[i].Err = errNotLeading
		q.records, q.bytes = q.records-1, q.bytes-cost(&q.entries[i])
	}
	return q
}
