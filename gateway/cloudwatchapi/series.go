package cloudwatchapi

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"headgate/gateway/awsapi"
)

// Name is what tells one series from the others.
type Name struct {
	Namespace, Metric, Unit string
	Dimensions              string // "Operation=ProcessTask,ShardId=shardId-000000000000", by name
}

// Sums are CloudWatch's statistics of a series since its first datum here.
type Sums struct{ Sum, Count, Least, Most float64 }

// note adds a value that was seen so many times.
func (s *Sums) note(value, times float64) {
	s.add(Sums{value * times, times, value, value})
}

func (s *Sums) add(more Sums) {
	if s.Count == 0 {
		*s = more
		return
	}
	s.Sum, s.Count, s.Least, s.Most = s.Sum+more.Sum, s.Count+more.Count, min(s.Least, more.Least), max(s.Most, more.Most)
}

// What is kept: names are the clients', of up to 40 KB each.
const (
	mostSeries = 2000
	mostNames  = 1 << 20   // bytes of all names
	forgetting = time.Hour // a series that nobody added to for so long is forgotten
)

// series are the sums by name. The zero value is ready.
type series struct {
	mu    sync.Mutex
	all   map[Name]*entry // guarded by mu
	bytes int             // guarded by mu: of names
	lost  int64           // guarded by mu: data without room
}

type entry struct {
	Sums
	last time.Time
}

func (n *Name) size() int { return len(n.Namespace) + len(n.Metric) + len(n.Unit) + len(n.Dimensions) }

func (s *series) add(now time.Time, n Name, more Sums) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[n]
	if one == nil {
		if len(s.all) >= mostSeries || s.bytes+n.size() > mostNames {
			s.forget(now)
		}
		if len(s.all) >= mostSeries || s.bytes+n.size() > mostNames {
			s.lost++
			return
		}
		if s.all == nil {
			s.all = map[Name]*entry{}
		}
		one = &entry{}
		s.all[n] = one
		s.bytes += n.size()
	}
	one.add(more)
	one.last = now
}

// forget forgets what nobody adds to any more. It is called with mu held.
func (s *series) forget(now time.Time) {
	for n, one := range s.all {
		if now.Sub(one.last) > forgetting {
			s.bytes -= n.size()
			delete(s.all, n)
		}
	}
}

// Samples yields the sums of all series that somebody added to in the last hour.
func (a *API) Samples(yield func(Name, Sums)) {
	s := &a.series
	s.mu.Lock()
	s.forget(a.now())
	type pair struct {
		Name
		Sums
	}
	all := make([]pair, 0, len(s.all))
	for n, one := range s.all {
		all = append(all, pair{n, one.Sums})
	}
	s.mu.Unlock()
	for _, one := range all {
		yield(one.Name, one.Sums)
	}
}

// Lost is how many data there was no room for.
func (a *API) Lost() int64 {
	a.series.mu.Lock()
	defer a.series.mu.Unlock()
	return a.series.lost
}

// nameOf is the series that a datum belongs to.
func nameOf(namespace string, in awsapi.Input) Name {
	var pairs []string
	for _, one := range in.List("Dimensions") {
		d, _ := one.(awsapi.Input)
		pairs = append(pairs, d.Text("Name")+"="+d.Text("Value"))
	}
	slices.Sort(pairs)
	valid := func(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
	return Name{valid(namespace), valid(in.Text("MetricName")), valid(cmp.Or(in.Text("Unit"), "None")), valid(strings.Join(slices.Compact(pairs), ","))}
}
