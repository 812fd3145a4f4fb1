package gateway

import (
	"fmt"
	"os"
	"path/filepath"

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
	if g.store = s; !s.Amnesia() || !g.hasPeers() {
		return nil
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

// hasPeers reports whether papers in the folder tell of other gateways.
func (g *Gateway) hasPeers() bool {
	kept, err := access.Neighbours(g.siteDir())
	return err == nil && len(kept) > 1
}

// spoolAdopted is a file beside a store that was set aside: its spool is in a
// later store.
const spoolAdopted = "spool-adopted"

// adoptSpools takes over the spools of stores that were set aside, by this
// start or one that ended before it had done so: nobody else has acknowledged
// what they hold. One that cannot be read keeps no gateway from starting.
func (g *Gateway) adoptSpools() error {
	if !g.hasPeers() {
		return nil
	}
	asides, err := filepath.Glob(filepath.Join(g.config.Data, "lost+found", "*", "store"))
	if err != nil {
		return fmt.Errorf("look for stores set aside: %w", err)
	}
	for _, aside := range asides {
		mark := filepath.Join(filepath.Dir(aside), spoolAdopted)
		if _, err := os.Stat(mark); err == nil {
			continue
		}
		n, err := g.store.AdoptSpool(aside)
		switch {
		case err != nil && shardlog.KindOf(err) != shardlog.Corrupt:
			return err
		case err != nil:
			g.log.Error("the spool of a store that was set aside cannot be read, or not all of it", "store", aside, "rows", n, "error", err)
		case n > 0:
			g.log.Info("the spool was taken along", "store", aside, "rows", n)
		}
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			return fmt.Errorf("note that a spool was taken along: %w", err)
		}
	}
	return nil
}
