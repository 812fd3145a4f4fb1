package gateway

import (
	"errors"

	"headgate/gateway/access"
	"headgate/shardlog"
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
	switch g.store = s; {
	case !s.Amnesia():
		return g.adoptSpools()
	case !g.hasPeers():
		// It goes on with what there is, and nobody else ever counted on the
		// rest: what the next ones will find here is whole.
		return errors.Join(s.EndAmnesia(), g.adoptSpools())
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
	return g.adoptSpools()
}

// hasPeers reports whether papers in the folder tell of other gateways.
func (g *Gateway) hasPeers() bool {
	kept, err := access.Neighbours(g.siteDir())
	return err == nil && len(kept) > 1
}

// adoptSpools takes along what this gateway acknowledged alone and a store
// that was set aside, now or earlier, holds. What cannot be read of it does
// not keep the gateway from starting.
func (g *Gateway) adoptSpools() error {
	n, err := g.store.AdoptSpools()
	if n > 0 {
		g.log.Info("the spool was taken along", "rows", n)
	}
	if err != nil && shardlog.KindOf(err) == shardlog.Corrupt {
		g.log.Error("spooled records are lost", "error", err.Error())
		return nil
	}
	return err
}
