package gateway

import "headgate/shardlog"

// lagging is how many entries a gateway may be behind and still count as a
// whole copy: what it reports is a second old.
const lagging = 1000

// copies counts the gateways that hold everything, as far as is known here,
// without one of them.
func (s SiteStatus) copies(without string) (n int) {
	for _, m := range s.Members {
		if m.ID != without && m.Reachable && !m.Holes && m.Lag <= lagging {
			n++
		}
	}
	return n
}

// leastCopies is how many must be left: a majority of the voters there can be.
func (s SiteStatus) leastCopies() int {
	if len(s.Members) > 2 {
		return 2
	}
	return 1
}

// spares answers Invalid when a gateway cannot be spared, because too few of
// the others hold everything.
func (g *Gateway) spares(id string) error {
	s := g.siteStatus()
	if n := s.copies(id); n < s.leastCopies() {
		return shardlog.Errorf(shardlog.Invalid, "remove gateway",
			"only %d of the others hold everything, %d are needed: wait until `headgate peers` shows that they have caught up, or force it", n, s.leastCopies())
	}
	return nil
}
