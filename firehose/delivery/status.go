package delivery

import (
	"context"
	"time"

	"headgate/firehose"
	"headgate/shardlog"
)

// Status is how a delivery is doing.
type Status struct {
	Name, Sink string
	Stream     shardlog.StreamName
	State      State
	LagRecords uint64    // not yet delivered
	Oldest     time.Time // arrival of the oldest of them that is known; zero when there is none
	Sealed     int       // batches on their way
	Totals     Totals
	Counts     Counts
	Pace       float64   // records a second that are delivered, over the last minute
	NextTry    time.Time // while held or retrying
	LastError  string    // "" when the last attempt went well
}

// Status is how the delivery is doing now.
func (d *Delivery) Status() Status {
	s := Status{Name: d.c.Spec.Name, Sink: d.c.Sink.String(), Stream: d.c.Spec.Stream}
	stream, _ := d.c.Catalog.Stream(d.c.Spec.Stream)
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Pace = d.pace.now(time.Now())
	s.State, s.Counts = d.phase, d.counts.snapshot()
	if d.last != nil {
		s.LastError = d.last.Error()
	}
	if s.State == Running {
		s.State, s.NextTry = d.data.gate.state()
	}
	if s.State == Running { // what is refused may have nowhere to go
		s.State, s.NextTry = d.errors.gate.state()
	}
	if d.phase == Running && d.control.paused() {
		s.State, s.NextTry = Paused, time.Time{}
	}
	for _, sh := range stream.Shards {
		if ln := d.lanes[sh.ID]; ln != nil {
			ln.report(&s, sh)
		}
	}
	return s
}

func (ln *lane) report(s *Status, sh shardlog.Shard) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	s.Totals.add(ln.state.Totals)
	s.Sealed += len(ln.state.Intents)
	if next := max(ln.state.Next, sh.Kept); next > 0 && sh.Next > next {
		s.LagRecords += uint64(sh.Next - next)
		for _, ahead := range ln.state.Ahead {
			s.LagRecords -= min(ahead.count(), s.LagRecords)
		}
	}
	if !ln.since.IsZero() && (s.Oldest.IsZero() || ln.since.Before(s.Oldest)) {
		s.Oldest = ln.since
	}
}

// Probe asks the sink whether a delivery could work now. Nothing is delivered,
// and the delivery need not run.
func (d *Delivery) Probe(ctx context.Context) firehose.Result { return d.c.Sink.Probe(ctx) }

// Sink names the destination. It holds no secret.
func (d *Delivery) Sink() string { return d.c.Sink.String() }
