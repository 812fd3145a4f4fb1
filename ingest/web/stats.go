package web

import (
	"maps"
	"sync"
	"sync/atomic"

	"headgate/shardlog"
)

// Stats is what the door has seen since New.
type Stats struct {
	Requests int64            `json:"requests"` // POSTs
	Records  int64            `json:"records"`  // stored
	Bytes    int64            `json:"bytes"`    // of their data and keys
	Failed   int64            `json:"failed"`   // records that came whole and were not stored
	Refused  map[string]int64 `json:"refused"`  // requests not wholly stored, by the code of the answer
	UnderWay int              `json:"underWay"` // now

	Sites map[string]SiteStats `json:"sites"` // by name
}

// SiteStats is the part of one site.
type SiteStats struct {
	Records int64 `json:"records"` // stored
	Failed  int64 `json:"failed"`  // records that were not
	Refused int64 `json:"refused"` // requests before anything was stored: origin, stream, rate, body
}

type siteCounters struct{ records, failed, refused atomic.Int64 }

type counters struct {
	requests, records, bytes, failed atomic.Int64

	mu      sync.Mutex
	refused map[string]int64 // by code; guarded by mu
}

func (c *counters) refuse(code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]int64{}
	}
	c.refused[code]++
}

// count counts what became of a request's records.
func (s *Server) count(c *call, datas [][]byte, results []shardlog.Result) {
	var records, bytes, failed int64
	for i := range results {
		if results[i].Err != nil {
			failed++
			continue
		}
		records++
		bytes += int64(len(datas[i]) + len(c.key))
	}
	s.stats.records.Add(records)
	s.stats.bytes.Add(bytes)
	s.stats.failed.Add(failed)
	c.site.stats.records.Add(records)
	c.site.stats.failed.Add(failed)
}

// Stats are the counts. Codes in Refused are fixed words: a stranger cannot
// make them grow.
func (s *Server) Stats() Stats {
	s.stats.mu.Lock()
	refused := maps.Clone(s.stats.refused)
	s.stats.mu.Unlock()
	all := Stats{
		Requests: s.stats.requests.Load(), Records: s.stats.records.Load(), Bytes: s.stats.bytes.Load(), Failed: s.stats.failed.Load(),
		Refused: refused, UnderWay: s.under.count(), Sites: map[string]SiteStats{},
	}
	for _, one := range s.sites.list() {
		all.Sites[one.name] = SiteStats{
			Records: one.stats.records.Load(), Failed: one.stats.failed.Load(), Refused: one.stats.refused.Load(),
		}
	}
	return all
}
