package gateway

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"headgate/gateway/access"
	"headgate/gateway/awsapi"
	"headgate/gateway/devices"
	"headgate/gateway/firehoseapi"
	"headgate/gateway/kinesisapi"
	"headgate/ingest"
	"headgate/ingest/jobs"
	"headgate/ingest/mqtt"
	"headgate/ingest/shadow"
	"headgate/ingest/webrtc"
)

// Status is how a gateway is doing: the document behind `headgate status`.
type Status struct {
	ID        string         `json:"id"`
	Version   string         `json:"version"`
	Since     time.Time      `json:"since"`
	Data      string         `json:"data"`
	Addresses Addresses      `json:"addresses"`
	Health    Health         `json:"health"`
	Warnings  []string       `json:"warnings,omitempty"` // what somebody should look at
	Clock     ClockStatus    `json:"clock"`
	Log       LogStatus      `json:"log"`
	Disk      DiskStatus     `json:"disk"`
	Streams   []StreamStatus `json:"streams"`
	Site      *SiteStatus    `json:"site,omitempty"` // absent of a gateway that has no peers

	Cameras    []CameraStatus   `json:"cameras,omitempty"`
	WebRTC     *webrtc.Stats    `json:"webrtc,omitempty"`
	Deliveries []DeliveryStatus `json:"deliveries,omitempty"`
	Rules      []RuleStatus     `json:"rules,omitempty"`
	Uplink     UplinkStatus     `json:"uplink"`
	MQTT       *mqtt.Stats      `json:"mqtt,omitempty"`
	Routes     ingest.Stats     `json:"routes"`
	Collect    *CollectStatus   `json:"collect,omitempty"`
	Devices    devices.Stats    `json:"devices"`
	Shadows    shadow.Stats     `json:"shadows"`
	Jobs       jobs.Stats       `json:"jobs"`
	API        APIStatus        `json:"api"`
}

// ClockStatus is how far the clock is trusted.
type ClockStatus struct {
	Stamp  time.Time `json:"stamp"`  // what a record that came now would get
	Mark   string    `json:"mark"`   // synced, unsynced, stepped
	Expiry bool      `json:"expiry"` // do records expire by age now
}

// LogStatus is the write path and the consensus.
type LogStatus struct {
	Leading       bool          `json:"leading"`
	Voters        int           `json:"voters"`
	Applied       uint64        `json:"applied"`
	Records       uint64        `json:"records"` // since the start
	Bytes         uint64        `json:"bytes"`   // of them
	Throttled     uint64        `json:"throttled"`
	Refused       uint64        `json:"refused"`
	Commits       uint64        `json:"commits"`
	CommitMean    time.Duration `json:"commit_mean_ns"`
	LastCommit    time.Time     `json:"last_commit,omitzero"`
	OldestWaiting time.Duration `json:"oldest_waiting_ns"`
	RecordsASec   float64       `json:"records_per_second"`
	StoredASec    float64       `json:"stored_bytes_per_second"`
	Gaps          uint64        `json:"gaps"`
	SetAside      int           `json:"blocks_set_aside"`
}

// DiskStatus is what the log takes, and what it wears.
type DiskStatus struct {
	Stored    uint64  `json:"stored"`
	Free      uint64  `json:"free"`
	Volume    uint64  `json:"volume"`
	Budget    uint64  `json:"budget"`
	Full      string  `json:"full,omitempty"` // why writers are refused
	Written   uint64  `json:"written"`        // bytes passed to write since the start
	Syncs     uint64  `json:"syncs"`
	PerByte   float64 `json:"written_per_ingested_byte"`
	PerRecord float64 `json:"syncs_per_record"`
	// Offline is how long the log lasts at today's rate before the oldest
	// records go early; zero while the rate is not known or nothing comes in.
	Offline time.Duration `json:"offline_ns"`
}

// StreamStatus is one stream.
type StreamStatus struct {
	Name      string        `json:"name"`
	Shards    int           `json:"shards"`            // open
	Mode      string        `json:"mode"`              // ON_DEMAND, PROVISIONED
	Scaled    time.Time     `json:"scaled,omitzero"`   // when shards were last split or merged
	Scaling   string        `json:"scaling,omitempty"` // and which of the two
	Retention time.Duration `json:"retention_ns"`
	Records   uint64        `json:"records"` // readable
	Stored    uint64        `json:"stored"`  // bytes on disk, pinned ones included
	Oldest    time.Time     `json:"oldest,omitzero"`
	Newest    time.Time     `json:"newest,omitzero"`
}

// APIStatus is the AWS APIs.
type APIStatus struct {
	Door     awsapi.Stats      `json:"door"`
	Kinesis  kinesisapi.Stats  `json:"kinesis"`
	Firehose firehoseapi.Stats `json:"firehose"`
	Denied   map[string]int64  `json:"denied"` // calls for want of permission, by service
}

// Status is how the gateway is doing now.
func (g *Gateway) Status() Status {
	s := Status{
		ID: fmt.Sprintf("%016x", g.id), Version: Version(), Since: g.began.UTC().Truncate(time.Second), Data: g.config.Data,
		Addresses: g.addresses, Health: g.health(), Clock: g.clockStatus(), Log: g.logStatus(), Disk: g.diskStatus(),
		Streams: g.streamStatus(), Site: g.siteStatus(), Deliveries: g.deliveryStatus(), Uplink: g.deliveries.link.Status(),
		API: APIStatus{Door: g.door.Stats(), Kinesis: g.kinesis.Stats(), Firehose: g.firehose.Stats(), Denied: g.denied()},
	}
	s.Cameras = g.cameras.status(s.Streams)
	if g.webrtc != nil {
		w := g.webrtc.Stats()
		s.WebRTC = &w
	}
	if g.mqtt != nil {
		m := g.mqtt.Stats()
		s.MQTT = &m
	}
	s.Routes = g.routes.Stats()
	s.Collect = g.collection.status()
	s.Devices = g.devices.Stats()
	s.Shadows = g.shadows.Stats()
	s.Rules, _ = g.ruleStatus(context.Background()) // a row that cannot be read is told when rules are listed
	s.Jobs = g.jobs.Stats()
	s.Warnings = g.warnings(s)
	return s
}

func (g *Gateway) clockStatus() ClockStatus {
	stamp := g.streams.Clock().Stamp()
	return ClockStatus{Stamp: stamp.At, Mark: stamp.Mark.String(), Expiry: g.streams.Clock().MayTrim()}
}

func (g *Gateway) logStatus() LogStatus {
	w, r, st := g.streams.Stats(), g.group.Stats(), g.store.Stats()
	l := LogStatus{Leading: r.Leading, Voters: r.Voters, Applied: st.Applied, Records: w.Records, Bytes: w.Bytes, Throttled: w.Throttled,
		Refused: w.Refused, Commits: w.Commits, LastCommit: w.LastCommit, Gaps: st.Gaps}
	if g.site != nil {
		l.Records = st.Records // whoever leads
	}
	if w.Commits > 0 {
		l.CommitMean = w.CommitTime / time.Duration(w.Commits)
	}
	if !w.Oldest.IsZero() {
		l.OldestWaiting = time.Since(w.Oldest)
	}
	l.RecordsASec, l.StoredASec = g.rates.now()
	if asides, err := g.store.Asides(); err == nil {
		l.SetAside = len(asides)
	}
	return l
}

func (g *Gateway) diskStatus() DiskStatus {
	w, st := g.streams.Stats(), g.store.Stats()
	marks := w.Marks // as the leader weighs them
	d := DiskStatus{Full: w.Full, Written: st.Disk.Written, Syncs: st.Disk.Syncs}
	if u, err := g.store.Usage(); err == nil {
		d.Stored, d.Free, d.Volume = u.Stored, u.Free, u.Volume
		if !w.Leading {
			marks = g.budget().Marks(u)
		}
	}
	d.Budget = marks.Hard
	if w.Bytes > 0 {
		d.PerByte = float64(d.Written) / float64(w.Bytes)
		d.PerRecord = float64(d.Syncs) / float64(w.Records)
	}
	if _, rate := g.rates.now(); rate > 0 && marks.Soft > d.Stored {
		d.Offline = time.Duration(min(float64(marks.Soft-d.Stored)/rate, maxOffline.Seconds()) * float64(time.Second))
	}
	return d
}

// maxOffline is as far as the estimate looks.
const maxOffline = 10 * 365 * 24 * time.Hour

func (g *Gateway) streamStatus() []StreamStatus {
	all := []StreamStatus{}
	for _, s := range g.store.Streams() {
		one := StreamStatus{Name: string(s.Name), Retention: s.Retention, Mode: g.kinesis.Mode(context.Background(), s.ID)}
		one.Scaled, one.Scaling = kinesisapi.LastScaled(s)
		for _, sh := range s.Shards {
			if !sh.Closed {
				one.Shards++
			}
			one.Records += uint64(sh.Next - sh.Oldest)
		}
		extents := g.store.Extents(s.ID)
		for _, e := range extents {
			one.Stored += e.Bytes
		}
		if n := len(extents); n > 0 {
			one.Oldest, one.Newest = extents[0].Oldest, extents[n-1].Newest
		}
		all = append(all, one)
	}
	return all
}

// warnings are what somebody should look at, in words.
func (g *Gateway) warnings(s Status) []string {
	var all []string
	add := func(when bool, format string, args ...any) {
		if when {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(g.store.Damage() != "", "the store was damaged: %s", g.store.Damage())
	add(s.Log.SetAside > 0, "%d blocks cannot be read: see headgate verify", s.Log.SetAside)
	add(s.Log.Gaps > 0, "%d times records were given up: see headgate gaps", s.Log.Gaps)
	add(s.Disk.Full != "", "writers are refused: %s", s.Disk.Full)
	add(s.Clock.Mark != "synced", "the clock is %s: records are stamped by uptime since the last known moment", s.Clock.Mark)
	for _, key := range g.keys.List() {
		add(key.State == access.Sealed, "key %s cannot be opened here: another seal sealed it (see seal in the configuration)", key.ID)
	}
	add(g.keys.Skipped() > 0, "%d lines of the key file are not understood", g.keys.Skipped())
	add(g.config.Open, "open: nobody is asked for credentials (loopback only)")
	add(g.config.InsecureLAN, "insecure_lan: plain listeners beyond loopback")
	if site := s.Site; site != nil {
		add(site.Removed, "removed from the site: nothing is taken here; headgate spool export prints what its spool may hold")
		add(site.Spool.Isolated && !site.Removed, "isolated since %s: no majority of the site can be reached, records of devices go to the spool", site.Spool.Since.UTC().Format(time.RFC3339))
		add(site.Spool.Dropped > 0, "the spool was full: %d records were given up", site.Spool.Dropped)
		add(site.Fault != "", "papers of the site: %s", site.Fault)
		add(site.Severed, "cut off from the peers on purpose: simulate-outage")
		add(site.Copies < site.leastCopies(), "only %d gateways hold everything", site.Copies)
		add(len(site.Members) == 2, "two gateways: the second keeps a copy but has no vote; let a third join")
		for _, m := range site.Members {
			add(!m.Reachable, "gateway %s cannot be reached: %s", m.ID, m.Error)
			add(m.Reachable && m.Error != "", "gateway %s: %s", m.ID, m.Error)
		}
	}
	for _, d := range s.Deliveries {
		add(d.State == "held", "delivery %s is held: %s", d.Name, d.LastError)
	}
	return all
}

// Version is the version of this binary, as its build knows it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}
