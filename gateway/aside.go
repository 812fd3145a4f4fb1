package gateway

import (
	"headgate/gateway/access"
	"headgate/shardlog/store"
)

// openStore opens the log. One that may have forgotten what it acknowledged
// is set aside when others have it: this gateway begins anew as a learner, and
// only takes its spool along.
func (g *Gateway) openStore() error {
	options := store.Options{Log: g.log, Fatal: g.die}
	s, err := store.Open(g.config.Data, options)
	if err != nil {
		return explainOpen(g.config.Data, err)
	}
	g.store = s
	if err := g.endAmnesia(options); err != nil {
		return err
	}
	g.adoptSpools()
	return nil
}

// endAmnesia begins anew when the log may have lost what others count on. A
// gateway that nobody counts on goes on with what there is: what those who join
// later find here is whole.
func (g *Gateway) endAmnesia(options store.Options) (err error) {
	s := g.store
	switch {
	case !s.Amnesia():
		return nil
	case !g.hasPeers():
		return s.EndAmnesia()
	}
	g.log.Error("the log may have lost what it acknowledged: set aside, the peers have it", "damage", s.Damage())
	if err := s.Close(); err != nil {
		return err
	}
	if _, err := store.SetAside(g.config.Data, nil); err != nil {
		return err
	}
	if g.store, err = store.Open(g.config.Data, options); err != nil {
		return explainOpen(g.config.Data, err)
	}
	return nil
}

// hasPeers reports whether the folder tells of other gateways, be its papers
// damaged or not.
func (g *Gateway) hasPeers() bool {
	kept, err := access.Neighbours(g.siteDir())
	return err == nil && len(kept) > 1
}

// adoptSpools takes along what this gateway acknowledged alone and a store
// that was set aside, now or earlier, holds. What cannot be taken does not keep
// the gateway from starting.
func (g *Gateway) adoptSpools() {
	n, err := g.store.AdoptSpools()
	if n > 0 {
		g.log.Info("the spool was taken along", "rows", n)
	}
	if err != nil {
		g.log.Error("some of the spool was not taken along: it stays in lost+found", "error", err)
	}
}
