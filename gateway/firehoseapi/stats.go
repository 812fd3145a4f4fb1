package firehoseapi

import "sync/atomic"

// traffic counts what passes through.
type traffic struct{ records, bytes, throttled atomic.Int64 }

// Stats is what an API has taken since the start. Calls and their errors are
// counted by the door (awsapi.Stats).
type Stats struct {
	Records, Bytes int64
	Throttled      int64 // records
}

// Stats answers what the API has taken.
func (a *API) Stats() Stats {
	return Stats{Records: a.traffic.records.Load(), Bytes: a.traffic.bytes.Load(), Throttled: a.traffic.throttled.Load()}
}
