package gateway

import (
	"context"
	"slices"
	"strings"
	"time"

	"headgate/firehose/delivery"
)

// DeliveryStatus is one delivery.
type DeliveryStatus struct {
	Name       string        `json:"name"`
	Origin     string        `json:"origin"` // file, stored
	Stream     string        `json:"stream"`
	Kind       string        `json:"kind"` // of sink: local, s3, ...
	Sink       string        `json:"sink"`
	State      string        `json:"state"` // idle, waiting, running, retrying, held, deleting
	LagRecords uint64        `json:"lag_records"`
	LagAge     time.Duration `json:"lag_age_ns"`
	Sealed     int           `json:"sealed"` // batches on their way
	Objects    uint64        `json:"objects"`
	Records    uint64        `json:"records"`
	Bytes      uint64        `json:"bytes"`               // uncompressed
	Refused    uint64        `json:"refused"`             // records that went to the error output
	Missing    uint64        `json:"missing"`             // records that were gone before they could be delivered
	Filtered   uint64        `json:"filtered"`            // records of which the transform made nothing
	Dropped    uint64        `json:"dropped"`             // records that waited too long and went nowhere
	LagBytes   uint64        `json:"lag_bytes,omitempty"` // about, as large as those before
	ETA        time.Duration `json:"eta_ns,omitempty"`    // until the lag is delivered, at the pace of the last minute
	Sent       int64         `json:"sent"`                // bytes on the wire since the start
	Waits      string        `json:"waits,omitempty"`     // for what of the uplink
	Attempts   Attempts      `json:"attempts"`
	NextTry    time.Time     `json:"next_try,omitzero"`
	LastError  string        `json:"last_error,omitempty"`
	Advice     string        `json:"advice,omitempty"` // what to do about it
}

// Attempts is what attempts came to since the start, on this gateway.
type Attempts struct {
	Retries map[string]uint64 `json:"retries,omitempty"` // that did not deliver, by class
	Already uint64            `json:"already"`           // objects that were there before
	Bisects uint64            `json:"bisects"`           // batches that were halved
}

// Where a delivery comes from.
const (
	originFile   = "file"
	originStored = "stored"
)

func (g *Gateway) deliveryStatus() []DeliveryStatus { return g.deliveries.status(context.Background()) }

// status is all deliveries: those of the file, then the stored ones by name.
func (m *deliveries) status(ctx context.Context) []DeliveryStatus {
	var all []DeliveryStatus
	for i, d := range m.fixed {
		one := m.statusOf(d, originFile)
		one.Kind = m.config.Deliveries[i].kind()
		all = append(all, one)
	}
	stored, _ := m.list(ctx) // ctx has not ended, or nobody reads the answer
	here := m.now()
	names := make([]string, 0, len(stored))
	for name := range stored {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		all = append(all, m.storedStatus(name, stored[name], here[name]))
	}
	return all
}

// storedStatus is one stored delivery; r is nil where it does not run.
func (m *deliveries) storedStatus(name string, s storedDelivery, r *running) DeliveryStatus {
	one := DeliveryStatus{Name: name, Origin: originStored, State: string(delivery.Idle)}
	kind := ""
	if c, err := parseDelivery("delivery "+name, s.Document); err == nil {
		kind = c.kind()
		one.Stream, one.Sink = string(c.Stream), kind
	}
	switch {
	case r != nil && r.d != nil:
		one = m.statusOf(r.d, originStored)
	case r != nil:
		one.State, one.LastError = string(delivery.Held), firstLine(r.fault.Error())
	}
	if s.Deleting {
		one.State = "deleting"
	}
	one.Kind, one.Advice = kind, advice(one)
	return one
}

func (m *deliveries) statusOf(d *delivery.Delivery, origin string) DeliveryStatus {
	s := d.Status()
	one := DeliveryStatus{
		Name: s.Name, Origin: origin, Stream: string(s.Stream), Sink: s.Sink, State: string(s.State), LagRecords: s.LagRecords, Sealed: s.Sealed,
		Objects: s.Totals.Objects, Records: s.Totals.Records, Bytes: s.Totals.Bytes, Refused: s.Totals.Refused, Missing: s.Totals.Missing,
		Filtered: s.Totals.Filtered, Dropped: s.Totals.Dropped, NextTry: s.NextTry, LastError: s.LastError,
		Attempts: Attempts{Retries: map[string]uint64{}, Already: s.Counts.Already, Bisects: s.Counts.Bisects},
	}
	for class, n := range s.Counts.Retries {
		one.Attempts.Retries[class.String()] = n
	}
	if s.Totals.Records > 0 {
		one.LagBytes = s.LagRecords * (s.Totals.Bytes / s.Totals.Records)
	}
	if s.Pace > 0 && s.LagRecords > 0 {
		one.ETA = min(time.Duration(float64(s.LagRecords)/s.Pace*float64(time.Second)), 10*365*24*time.Hour)
	}
	lane := m.link.Find(s.Name)
	one.Sent, one.Waits = lane.Sent, lane.Held
	if !s.Oldest.IsZero() {
		one.LagAge = time.Since(s.Oldest)
	}
	one.Advice = advice(one)
	return one
}

// advice is what to do about a delivery's state, "" when nothing is.
func advice(d DeliveryStatus) string {
	switch delivery.State(d.State) {
	case delivery.Held:
		if d.NextTry.IsZero() {
			return "correct what it says, here or in the delivery; it is opened again every 10 s"
		}
		return "correct the credentials or the destination; nothing is lost meanwhile, it is tried again every 5 minutes (headgate delivery test " + d.Name + ")"
	case delivery.Running, delivery.Retrying:
		switch {
		case d.Waits != "":
			return "it waits: " + d.Waits + "; nothing is lost meanwhile, records stay on the disk"
		case d.State == string(delivery.Running):
			return ""
		}
		return "the destination cannot be reached or is busy; it is tried again for ever, records stay on the disk"
	case delivery.Waiting:
		return "there is no stream " + d.Stream + ": make it with headgate streams create " + d.Stream
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
