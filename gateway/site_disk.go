package gateway

import (
	"headgate/shardlog"
	"headgate/shardlog/store"
	"headgate/shardlog/streams"
	"headgate/sync/forward"
	"headgate/sync/peer"
)

// ground is the log that the write path stands on. Where there are peers, its
// disk is that of the voter that is worst off: what the leader takes, each of
// them must have room for.
type ground struct {
	*store.Store
	g *Gateway
}

// Usage is how much of the disk is taken.
func (d ground) Usage() (shardlog.Usage, error) {
	u, err := d.Store.Usage()
	if err != nil || d.g.site == nil {
		return u, err
	}
	return worst(u, d.g.site.links.Peers()), nil
}

// worst is the disk of whoever votes and has least room.
func worst(u shardlog.Usage, peers []peer.Peer) shardlog.Usage {
	for _, p := range peers {
		if h := p.Hello; p.Reachable && h.Voter && h.Volume > 0 {
			u.Stored, u.Free, u.Volume = max(u.Stored, h.Stored), min(u.Free, h.Free), min(u.Volume, h.Volume)
		}
	}
	return u
}

// budget is the configured one.
func (g *Gateway) budget() streams.Budget { return streams.Budget{Bytes: uint64(g.config.Budget)} }

// spoolRows is the store's spool as the carrier uses it.
type spoolRows struct {
	*store.Spool
	usage  func() (shardlog.Usage, error) // nil: it is only read
	budget streams.Budget
}

// Append keeps rows unless the volume is so short of room that the log itself
// would not take them: a store that meets a full disk ends.
func (s spoolRows) Append(rows [][]byte) (first uint64, err error) {
	if u, err := s.usage(); err == nil {
		if m := s.budget.Marks(u); m.Full {
			return 0, &shardlog.Error{Kind: shardlog.Full, Op: "append to spool", Err: m.Why()}
		}
	}
	return s.Spool.Append(rows)
}

// Read answers rows from a number on.
func (s spoolRows) Read(from uint64, maxBytes int) ([]forward.Row, error) {
	rows, err := s.Spool.Read(from, maxBytes)
	all := make([]forward.Row, len(rows))
	for i, r := range rows {
		all[i] = forward.Row{Number: r.Seq, Bytes: r.Bytes}
	}
	return all, err
}

// Stats is what the spool holds.
func (s spoolRows) Stats() forward.SpoolStats {
	st := s.Spool.Stats()
	return forward.SpoolStats{First: st.First, Last: st.Last, Bytes: int64(st.Bytes)}
}
