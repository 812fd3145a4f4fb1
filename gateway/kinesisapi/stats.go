package kinesisapi

import "sync/atomic"

// traffic counts what passes through.
type traffic struct {
	recordsIn, bytesIn, recordsOut, bytesOut, writesThrottled, readsThrottled, events, scalings atomic.Int64
}

// Stats is what an API has moved since the start. Bytes are data and keys.
// Calls and their errors are counted by the door (awsapi.Stats).
type Stats struct {
	RecordsIn, BytesIn   int64
	RecordsOut, BytesOut int64
	WritesThrottled      int64 // records
	ReadsThrottled       int64 // calls
	Subscriptions        int64 // under way
	Events               int64 // sent to subscriptions
	Scalings             int64 // splits and merges of on-demand streams
}

// Stats answers what the API has moved.
func (a *API) Stats() Stats {
	t := &a.traffic
	return Stats{RecordsIn: t.recordsIn.Load(), BytesIn: t.bytesIn.Load(),
		RecordsOut: t.recordsOut.Load(), BytesOut: t.bytesOut.Load(),
		WritesThrottled: t.writesThrottled.Load(), ReadsThrottled: t.readsThrottled.Load(),
		Subscriptions: int64(a.subscriptions.count()), Events: t.events.Load(), Scalings: t.scalings.Load()}
}
