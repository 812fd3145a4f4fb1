package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"headgate/gateway/access"
	"headgate/shardlog"
)

// What a gateway keeps of its part in the site, in its store and so lost with
// it: that says that somebody must let it in again.
const (
	siteFolder  = "site"
	roleKey     = "site/role" // local: founder
	roleFounder = "founder"
	placeKey    = "site/place"  // local: place
	goneKey     = "site/gone"   // local: ids that a recovery gave up
	beforeKey   = "site/before" // local: the id that it had, until that one has left the site
)

// openSite finds the papers of the site, or has them made, and opens the port
// for the others. A gateway that has no papers and wants no peers is alone.
// fresh says that the store is new: with papers in the folder, the log was
// lost and the gateway asks to be let in again.
func (g *Gateway) openSite(fresh bool) error {
	papers, err := g.openPapers()
	found := err == nil
	switch {
	case !found && shardlog.KindOf(err) != shardlog.NotFound:
		return fmt.Errorf("open papers of the site: %w", err)
	case !found && g.config.Join == "" && !g.config.wantsPeers():
		return nil
	}
	g.site = &site{papers: papers}
	if found {
		err = g.remember(fresh)
	} else {
		err = g.enter()
	}
	if err != nil {
		return err
	}
	role, err := g.store.Local(roleKey)
	g.site.founder = err == nil && string(role) == roleFounder
	g.site.gone, err = g.readGone()
	return err
}

// wantsPeers reports whether an address for the others is configured.
func (c *Config) wantsPeers() bool { return c.Peer != off && c.Peer != "" }

func (g *Gateway) siteDir() string { return filepath.Join(g.config.Data, siteFolder) }

func (g *Gateway) openPapers() (*access.Site, error) {
	papers, err := access.OpenSite(g.siteDir())
	if err != nil && shardlog.KindOf(err) == shardlog.Corrupt {
		g.log.Error("papers of the site are damaged", "error", err)
		if papers, err = access.RepairSite(g.siteDir(), g.name(), g.latest()); err != nil {
			return g.openWithoutPapers(err)
		}
	}
	return papers, err
}

// enter makes the first papers: those of the site of the configuration's code,
// else of a new site.
func (g *Gateway) enter() (err error) {
	if g.config.Join != "" && g.store.Journal().Last() > 0 {
		return shardlog.Errorf(shardlog.InUse, "join", "%s holds records of its own: join with a new folder (--data), and copy them with headgate tail and put", g.config.Data)
	}
	if err := g.listenPeers(place{}); err != nil {
		return err
	}
	if g.config.Join != "" {
		g.site.papers, err = g.joinSite()
	} else {
		g.site.papers, err = g.foundSite()
	}
	return err
}

// foundSite makes the papers of a site of which this gateway is the first.
func (g *Gateway) foundSite() (*access.Site, error) {
	if err := g.store.EndAmnesia(); err != nil { // of the time when it was alone
		return nil, err
	}
	if err := g.store.SetLocal(roleKey, []byte(roleFounder)); err != nil {
		return nil, err
	}
	return access.FoundSite(g.siteDir(), g.name(), g.latest())
}

// remember takes up papers that were there.
func (g *Gateway) remember(fresh bool) error {
	s := g.site
	if err := g.sameSite(); err != nil {
		return err
	}
	neighbours, err := s.papers.Neighbours()
	if err != nil {
		return err
	}
	if was := s.papers.Gateway(); was != g.name() {
		if err := g.beSomebodyElse(was, len(neighbours) > 1); err != nil {
			return err
		}
	}
	before, err := g.store.Local(beforeKey)
	if err == nil {
		s.before = string(before)
	}
	return g.listenPeers(g.lastPlace(neighbours))
}

// sameSite wants a code that is still configured to be the one that was used.
func (g *Gateway) sameSite() error {
	if g.config.Join == "" {
		return nil
	}
	code, err := access.ParseJoinCode(g.config.Join)
	if err == nil && code.Authority != g.site.papers.Fingerprint() {
		return shardlog.Errorf(shardlog.InUse, "join", "%s belongs to site %s, and the code is another site's: join with a new folder (--data)", g.config.Data, g.site.papers.ID())
	}
	return nil
}

// beSomebodyElse gives the papers this gateway's new id: its log was lost. The
// old id has to leave the site, which may take longer than this process lives.
// With nobody else who knows the site it begins anew with what is here.
func (g *Gateway) beSomebodyElse(was string, peers bool) error {
	err := g.store.SetLocal(beforeKey, []byte(was))
	if err == nil && !peers {
		err = g.store.SetLocal(roleKey, []byte(roleFounder))
	}
	if err != nil {
		return err
	}
	return g.site.papers.Adopt(g.name(), g.latest())
}

// place is where a gateway listens for the others, and where they find it.
type place struct {
	Listen  string `json:"listen"`
	Address string `json:"address"`
}

// lastPlace is where this gateway was last, as far as anything tells.
func (g *Gateway) lastPlace(neighbours []access.Neighbour) (p place) {
	if b, err := g.store.Local(placeKey); err == nil && json.Unmarshal(b, &p) == nil {
		return p
	}
	for _, n := range neighbours {
		if n.ID == g.name() || n.ID == g.site.before {
			p = place{n.Address, n.Address}
		}
	}
	return p
}

// listenPeers opens the port for the others, and notes where they find it. A
// port that the system is to choose is the one it chose before, if it is free.
func (g *Gateway) listenPeers(was place) error {
	l, err := g.openPeers(was)
	if err != nil {
		return err
	}
	g.peers = l
	now := place{l.Addr().String(), g.config.PeerAddress}
	at := l.Addr().(*net.TCPAddr)
	switch {
	case now.Address != "":
	case !g.config.wantsPeers() && now.Listen == was.Listen:
		now.Address = was.Address
	case at.IP.IsUnspecified():
		return Fault{"peer_address", fmt.Sprintf("%s is every address of this box: say with --peer-address which one the others use", now.Listen)}
	default:
		now.Address = now.Listen
	}
	g.site.address = now.Address
	if now == was {
		return nil
	}
	return g.store.SetLocal(placeKey, mustJSON(now))
}

func (g *Gateway) openPeers(was place) (net.Listener, error) {
	want := g.config.Peer
	switch {
	case g.config.wantsPeers():
		if host, port, _ := net.SplitHostPort(want); port == "0" && sameHost(host, was.Listen) {
			if l, err := net.Listen("tcp", was.Listen); err == nil {
				return l, nil
			}
		}
	case was.Listen == "":
		return nil, Fault{"peer", "this gateway belongs to a site: say with --peer ADDRESS where the others find it"}
	default:
		want = was.Listen
	}
	l, err := net.Listen("tcp", want)
	if err != nil {
		return nil, fmt.Errorf("open peer: %w (choose another with --peer)", err)
	}
	return l, nil
}

func sameHost(host, address string) bool {
	other, _, err := net.SplitHostPort(address)
	return err == nil && (other == host || host == "localhost" && net.ParseIP(other).IsLoopback())
}

// closePeers closes the port of a gateway that does not come to run.
func (g *Gateway) closePeers() error {
	if g.peers == nil {
		return nil
	}
	if err := g.peers.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
