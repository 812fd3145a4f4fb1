package gateway

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
	"headgate/sync/forward"
	"headgate/sync/peer"
	"headgate/sync/raftgroup"
)

// site is this gateway among the others: its papers, the links to them, and
// the way to the one that leads. A gateway that has never had a peer has none.
type site struct {
	papers  *access.Site
	links   *peer.Links
	carrier *forward.Carrier
	address string   // where the others find this gateway
	founder bool     // it began the site: nobody has to add it
	gone    []string // gateways that a recovery gave up: they may not come back as they were
	before  string   // the id that it had before it lost its log; "" when it did not, or that one has left the site
}

// protocols are the calls between gateways that this release speaks.
var protocols = peer.Range{Min: 1, Max: 1}

// wireSite makes the links. Nothing runs yet.
func (g *Gateway) wireSite() (err error) {
	s := g.site
	s.links, err = peer.New(peer.Config{
		ID: g.name(), Protocol: protocols, Listener: g.peers,
		Certificate: func() *tls.Certificate { return s.papers.Certificate(g.latest()) },
		Verify:      func(raw [][]byte) (string, error) { return s.papers.Verify(g.latest(), raw) },
		Removed:     g.isRemoved, Members: g.neighbours, Hello: g.hello, Handler: g.peerCalls(), Admit: g.admit, MaxBody: forward.MaxMessage, Now: g.now, Log: g.log,
	})
	return err
}

// wireCarrier makes the way to the leader, over the write path and the links.
func (g *Gateway) wireCarrier() (err error) {
	policies := map[shardlog.StreamName]forward.Policy{}
	for _, c := range g.config.Streams {
		if c.Isolated == spoolRefuse {
			policies[c.Name] = forward.Refuse
		}
	}
	g.site.carrier, err = forward.New(forward.Config{
		Gateway: g.id, Local: g.streams, Catalog: g.store, States: g.store, Applied: g.store.Applied, Leadership: leadership{g.group, g.name()},
		Call: func(ctx context.Context, id, path string, body []byte) ([]byte, error) {
			return g.site.links.Call(ctx, id, http.MethodPost, path, body)
		},
		Spool: spoolRows{g.store.Spool(), g.store.Usage, g.budget()}, Notes: g.store, Random: random,
		Grace: time.Duration(g.config.Spool.Grace), SpoolBytes: int64(g.config.Spool.Budget), SpoolAge: time.Duration(g.config.Spool.MaxAge),
		Full: forward.Policy(g.config.Spool.Full), Isolated: func(name shardlog.StreamName) forward.Policy {
			if g.wasRemoved() {
				return forward.Refuse // what the spool took would never reach the log
			}
			if p, ok := policies[name]; ok {
				return p
			}
			return forward.Keep
		},
		Caller: peer.CallerID, Log: g.log,
	})
	return err
}

// dialRaft connects to the consensus of another gateway.
func (g *Gateway) dialRaft(ctx context.Context, address string) (net.Conn, error) {
	if raftgroup.Nowhere(address) {
		return nil, shardlog.Errorf(shardlog.Unavailable, "reach gateway", "the one at %s has lost its log and comes back as another", address)
	}
	return g.site.links.DialRaft(ctx, address)
}

// leadership is who leads, as the carrier asks.
type leadership struct {
	*raftgroup.Group
	id string
}

// Alone reports whether no other gateway has a vote.
func (l leadership) Alone() bool {
	own := false
	for _, m := range l.Members() {
		switch {
		case m.Voter && m.ID != l.id:
			return false
		case m.Voter:
			own = true
		}
	}
	return own
}

// neighbours are the gateways that this one may reach: those of the site as it
// is agreed on, and as long as that is not known, as it was.
func (g *Gateway) neighbours() []peer.Member {
	var all []peer.Member
	for _, m := range g.group.Members() {
		if !raftgroup.Nowhere(m.Address) {
			all = append(all, peer.Member{ID: m.ID, Address: m.Address})
		}
	}
	if len(all) > 0 {
		return all
	}
	kept, err := g.site.papers.Neighbours()
	if err != nil {
		g.log.Warn("neighbours are not known", "error", err)
	}
	for _, n := range kept {
		if n.ID != g.site.before {
			all = append(all, peer.Member{ID: n.ID, Address: n.Address})
		}
	}
	return all
}

// hello is what this gateway says of itself.
func (g *Gateway) hello() peer.Hello {
	r, clock, f := g.group.Stats(), g.streams.Clock(), g.site.carrier.State()
	h := peer.Hello{
		Version: Version(), Address: g.site.address, Synced: clock.Synced(),
		Applied: r.Applied, Last: r.Last, Term: r.Term, Leader: r.Leader, Leading: r.Leading,
		Holes: g.incomplete(), Isolated: f.Isolated, Spooled: f.Records,
	}
	for _, m := range g.group.Members() {
		h.Voter = h.Voter || m.Voter && m.ID == g.name()
	}
	if u, err := g.store.Usage(); err == nil {
		h.Stored, h.Free, h.Volume = u.Stored, u.Free, u.Volume
	}
	return h
}

// facts are what the leader goes by when it makes and replaces voters.
func (g *Gateway) facts() map[string]raftgroup.Fact {
	all := map[string]raftgroup.Fact{g.name(): {Reachable: true, Applied: g.store.Applied(), Holes: g.incomplete(), Since: time.Now()}}
	for _, p := range g.site.links.Peers() {
		all[p.ID] = raftgroup.Fact{Reachable: p.Reachable && p.Err == nil, Applied: p.Hello.Applied, Holes: p.Hello.Holes, Since: p.Contact, Address: p.Hello.Address}
	}
	return all
}

// keepNeighbours writes down who the others are, for a start without a log.
func (g *Gateway) keepNeighbours(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var all []access.Neighbour
		for _, m := range g.neighbours() {
			all = append(all, access.Neighbour{ID: m.ID, Address: m.Address})
		}
		if len(all) > 0 {
			if err := g.site.papers.KeepNeighbours(all); err != nil {
				g.log.Warn("neighbours are not written down", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// removedSpace holds the gateways that were taken out of the site.
const removedSpace shardlog.Space = "site.removed"

// removedRow is what the site keeps of a gateway that was taken out.
type removedRow struct {
	At  time.Time `json:"at"`
	For string    `json:"for,omitempty"` // the id under which it came back, having lost its log
}

func (g *Gateway) removedRow(id string) (r removedRow, ok bool) {
	b, _, err := g.store.Get(context.Background(), removedSpace, id)
	if err != nil {
		return r, false
	}
	_ = json.Unmarshal(b, &r) // removed, whatever else it says
	return r, true
}

func (g *Gateway) isRemoved(id string) bool {
	if slices.Contains(g.site.gone, id) {
		return true
	}
	_, ok := g.removedRow(id)
	return ok
}

// readGone reads which gateways a recovery has given up.
func (g *Gateway) readGone() ([]string, error) {
	text, err := g.store.Local(goneKey)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			err = nil
		}
		return nil, err
	}
	var gone []string
	if err := json.Unmarshal(text, &gone); err != nil {
		return nil, shardlog.Errorf(shardlog.Corrupt, "read gateways given up", "%w", err)
	}
	return gone, nil
}

// wasRemoved reports whether the others say that this gateway is none of the
// site any more.
func (g *Gateway) wasRemoved() bool {
	removed := false
	for _, p := range g.site.links.Peers() {
		if p.Reachable {
			return false
		}
		removed = removed || errors.Is(p.Err, peer.ErrRemoved)
	}
	return removed
}

// name is the gateway's id as the others know it.
func (g *Gateway) name() string { return fmt.Sprintf("%016x", g.id) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a value of ours
	}
	return b
}
