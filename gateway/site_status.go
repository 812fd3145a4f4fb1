package gateway

import (
	"time"

	"headgate/sync/raftgroup"
)

// SiteStatus is the gateways of the site, and what this one keeps while it
// reaches no majority of them.
type SiteStatus struct {
	ID       string         `json:"id"`
	Leader   string         `json:"leader,omitempty"` // "" while there is none
	Term     uint64         `json:"term"`
	Voters   int            `json:"voters"`
	Members  []MemberStatus `json:"members"`
	Copies   int            `json:"copies"` // gateways that hold everything
	Spool    SpoolStatus    `json:"spool"`
	CatchUp  uint64         `json:"catching_up_to,omitempty"` // entry that a pull is on its way to
	Fault    string         `json:"fault,omitempty"`          // what is wrong with the papers
	Severed  bool           `json:"severed,omitempty"`        // cut off on purpose: simulate-outage
	Removed  bool           `json:"removed,omitempty"`        // the others say that it is none of theirs
	Rejoined string         `json:"rejoined,omitempty"`       // the id that this gateway had before it lost its log
}

// MemberStatus is one gateway of the site as this one sees it.
type MemberStatus struct {
	ID          string        `json:"id"`
	Address     string        `json:"address"`
	Role        string        `json:"role"` // voter, learner
	Leader      bool          `json:"leader"`
	Self        bool          `json:"self"`
	Reachable   bool          `json:"reachable"`
	LastContact time.Time     `json:"last_contact,omitzero"`
	RoundTrip   time.Duration `json:"round_trip_ns"`
	Offset      time.Duration `json:"clock_offset_ns"` // its clock less ours
	Synced      bool          `json:"clock_synced"`
	Version     string        `json:"version"`
	Applied     uint64        `json:"applied"`
	Lag         uint64        `json:"lag"` // entries behind the one that is furthest
	Holes       bool          `json:"holes"`
	Isolated    bool          `json:"isolated"`
	Spooled     uint64        `json:"spooled"`
	Stored      uint64        `json:"stored"`
	Error       string        `json:"error,omitempty"`
}

// SpoolStatus is what a gateway keeps without a quorum.
type SpoolStatus struct {
	Isolated bool      `json:"isolated"`
	Since    time.Time `json:"since,omitzero"`
	Draining bool      `json:"draining"`
	Rows     uint64    `json:"rows"`
	Records  uint64    `json:"records"`
	Bytes    int64     `json:"bytes"`
	Oldest   time.Time `json:"oldest,omitzero"`
	Kept     uint64    `json:"kept"`    // records acknowledged from it since the start
	Drained  uint64    `json:"drained"` // records handed from it to the log
	Known    uint64    `json:"known"`   // of them, stored before
	Orphans  uint64    `json:"orphans"` // of them, whose stream was gone: in _orphans
	Refused  uint64    `json:"refused"` // records refused because it was full
	Dropped  uint64    `json:"dropped"` // records given up, each in a gap
}

func (g *Gateway) siteStatus() *SiteStatus {
	if g.site == nil {
		return nil
	}
	r := g.group.Stats()
	s := &SiteStatus{ID: g.site.papers.ID(), Leader: r.Leader, Term: r.Term, Voters: r.Voters, Spool: g.spoolStatus(), CatchUp: r.Pulling,
		Severed: g.site.links.IsCut(), Removed: g.wasRemoved(), Rejoined: g.site.before}
	s.Fault = g.papersFault()
	furthest := g.store.Applied()
	for _, m := range g.group.Members() {
		one := g.memberStatus(m)
		one.Leader = m.ID == r.Leader
		furthest = max(furthest, one.Applied)
		s.Members = append(s.Members, one)
	}
	for i := range s.Members {
		s.Members[i].Lag = furthest - s.Members[i].Applied
	}
	s.Copies = s.copies("")
	return s
}

func (g *Gateway) memberStatus(m raftgroup.Member) MemberStatus {
	one := MemberStatus{ID: m.ID, Address: m.Address, Role: "learner"}
	if m.Voter {
		one.Role = "voter"
	}
	if m.ID == g.name() {
		h := g.hello()
		one.Self, one.Reachable, one.Synced, one.Version = true, true, h.Synced, h.Version
		one.Applied, one.Holes, one.Isolated, one.Spooled, one.Stored = h.Applied, h.Holes, h.Isolated, h.Spooled, h.Stored
		return one
	}
	if raftgroup.Nowhere(m.Address) {
		one.Error = "it lost its log: the gateway that it became takes its place"
	}
	for _, p := range g.site.links.Peers() {
		if p.ID != m.ID {
			continue
		}
		h := p.Hello
		one.Reachable, one.LastContact, one.RoundTrip, one.Offset = p.Reachable, p.Contact, p.RoundTrip, p.Offset
		one.Synced, one.Version, one.Applied, one.Holes, one.Isolated = h.Synced, h.Version, h.Applied, h.Holes, h.Isolated
		one.Spooled, one.Stored = h.Spooled, h.Stored
		if p.Err != nil {
			one.Error = p.Err.Error()
		}
	}
	return one
}

func (g *Gateway) spoolStatus() SpoolStatus {
	f, n := g.site.carrier.State(), g.site.carrier.Stats()
	return SpoolStatus{Isolated: f.Isolated, Since: f.Since, Draining: f.Draining, Rows: f.Rows, Records: f.Records, Bytes: f.Bytes, Oldest: f.Oldest,
		Kept: n.Spooled, Drained: n.Drained, Known: n.Duplicates, Orphans: n.Orphans, Refused: n.Refused, Dropped: n.Dropped}
}
