package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"headgate/shardlog"
)

// Outage is what to cut, and for how long.
type Outage struct {
	Peers  bool   `json:"peers"`
	Uplink bool   `json:"uplink"`
	Length string `json:"length"` // as ParseDuration reads it
}

// OutageStep is one line of an outage under way; the last holds the report.
type OutageStep struct {
	Phase  string        `json:"phase"` // cut, mending
	Text   string        `json:"text"`
	Report *OutageReport `json:"report,omitempty"`
}

// OutageReport is the account of an outage on purpose.
type OutageReport struct {
	Peers        bool          `json:"peers"`
	Uplink       bool          `json:"uplink"`
	Lasted       time.Duration `json:"lasted_ns"`
	Mended       time.Duration `json:"mended_ns"`    // from the mending until everything was as before
	Acknowledged uint64        `json:"acknowledged"` // records, by this gateway until everything was as before
	Spooled      uint64        `json:"spooled"`      // of them, into the spool
	Drained      uint64        `json:"drained"`      // handed from the spool to the log afterwards
	Known        uint64        `json:"known"`        // of them, stored before and not again
	Orphans      uint64        `json:"orphans"`      // of them, in _orphans because their stream was gone
	Dropped      uint64        `json:"dropped"`      // given up for want of room, each in a gap
	Left         uint64        `json:"left"`         // still in the spool
	Delivered    uint64        `json:"delivered"`    // records, after the outage
	Undelivered  uint64        `json:"undelivered"`  // not yet
	Whole        bool          `json:"whole"`        // everything acknowledged is accounted for
}

// mendTime is how long a backlog may take to drain before the report goes out
// without the rest.
const mendTime = 10 * time.Minute

// simulateOutage cuts, waits, mends, waits for the backlog and accounts. When
// ctx ends it mends at once.
func (g *Gateway) simulateOutage(ctx context.Context, o Outage, yield func(OutageStep) error) error {
	length, err := ParseDuration(o.Length)
	switch {
	case err != nil:
		return shardlog.Errorf(shardlog.Invalid, "simulate outage", "%w", err)
	case o.Peers && g.site == nil:
		return shardlog.Errorf(shardlog.Invalid, "simulate outage", "this gateway has no peers")
	case o.Uplink && len(g.deliveryStatus()) == 0:
		return shardlog.Errorf(shardlog.Invalid, "simulate outage", "this gateway has no deliveries")
	case !g.outage.TryLock():
		return shardlog.Errorf(shardlog.InUse, "simulate outage", "another one is under way")
	}
	defer g.outage.Unlock()
	before, began := g.tally(), time.Now()
	g.sever(o, true)
	defer g.sever(o, false)
	if err := g.watchOutage(ctx, "cut", time.Duration(length), yield, func() bool { return false }); err != nil {
		return err
	}
	g.sever(o, false)
	r := OutageReport{Peers: o.Peers, Uplink: o.Uplink, Lasted: time.Since(began)}
	cut := g.tally()
	mended := time.Now()
	backlog := g.backlog()
	if err := g.watchOutage(ctx, "mending", mendTime, yield, func() bool { return g.settledDown(backlog) }); err != nil {
		return err
	}
	after := g.tally()
	r.Mended = time.Since(mended)
	r.Spooled = after.spool.Kept - before.spool.Kept
	r.Acknowledged = after.acknowledged - before.acknowledged
	r.Drained, r.Known = after.spool.Drained-before.spool.Drained, after.spool.Known-before.spool.Known
	r.Orphans, r.Dropped = after.spool.Orphans-before.spool.Orphans, after.spool.Dropped-before.spool.Dropped
	r.Left = after.spooled
	r.Delivered, r.Undelivered = after.delivered-cut.delivered, after.lag
	r.Whole = before.spooled+after.spool.Kept-before.spool.Kept == r.Drained+r.Dropped+r.Left && r.Dropped == 0
	return yield(OutageStep{Phase: "done", Report: &r})
}

func (g *Gateway) sever(o Outage, on bool) {
	if o.Peers {
		g.site.links.Cut(on)
	}
	if o.Uplink {
		g.uplinkCut.Store(on)
	}
}

// watchOutage tells twice a second how things stand, until done or too late.
func (g *Gateway) watchOutage(ctx context.Context, phase string, length time.Duration, yield func(OutageStep) error, done func() bool) error {
	for end := time.Now().Add(length); time.Now().Before(end) && !done(); {
		t := g.tally()
		text := fmt.Sprintf("%v left, %d records acknowledged since the start, %d in the spool, %d to deliver",
			time.Until(end).Round(time.Second), t.acknowledged, t.spooled, t.lag)
		if err := yield(OutageStep{Phase: phase, Text: text}); err != nil {
			return err
		}
		if err := pause(ctx, min(500*time.Millisecond, max(time.Until(end), 0))); err != nil {
			return err
		}
	}
	return nil
}

// tally is what an outage counts.
type tally struct {
	acknowledged   uint64 // records, to clients of MQTT and the AWS APIs
	spool          SpoolStatus
	spooled        uint64 // records in the spool
	delivered, lag uint64
}

func (g *Gateway) tally() tally {
	var t tally
	if g.site != nil {
		t.spool, t.spooled = g.spoolStatus(), g.site.carrier.State().Records
	}
	t.acknowledged = uint64(g.kinesis.Stats().RecordsIn + g.firehose.Stats().Records)
	if g.mqtt != nil {
		t.acknowledged += uint64(g.mqtt.Stats().Acked)
	}
	for _, d := range g.deliveryStatus() {
		t.delivered += d.Records
		t.lag += d.LagRecords
	}
	return t
}

// backlog is, for each delivery, how many records it will have dealt with when
// what waits for it now has gone.
func (g *Gateway) backlog() map[string]uint64 {
	due := map[string]uint64{}
	for _, d := range g.deliveryStatus() {
		due[d.Name] = d.dealtWith() + d.LagRecords
	}
	return due
}

func (d DeliveryStatus) dealtWith() uint64 { return d.Records + d.Refused + d.Missing }

// settledDown reports whether the spool and a backlog of deliveries are gone.
// Deliveries that work elsewhere, or are held, are not waited for.
func (g *Gateway) settledDown(backlog map[string]uint64) bool {
	t := g.tally()
	if g.site != nil && (t.spool.Isolated || t.spool.Draining || t.spooled > 0) {
		return false
	}
	for _, d := range g.deliveryStatus() {
		if (d.State == "retrying" || d.State == "running") && d.dealtWith() < backlog[d.Name] {
			return false
		}
	}
	return true
}

func (a *admin) simulateOutage(w http.ResponseWriter, r *http.Request) (any, error) {
	var o Outage
	if err := receive(r, &o); err != nil {
		return nil, err
	}
	lines := newLines(w)
	err := a.site.simulateOutage(r.Context(), o, func(s OutageStep) error {
		defer lines.flush()
		return lines.write(s)
	})
	if err != nil {
		return nil, lines.fail(err)
	}
	return nil, lines.end()
}
