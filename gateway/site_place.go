package gateway

import (
	"context"
	"net/http"
	"time"

	"headgate/shardlog"
)

// keepPlace sees to it, until ctx ends, that this gateway is one of the site
// under the address where it really is. One that lost its log asks to be let
// in again, for as long as it takes: its papers say that it belongs here, and
// its new id that it forgot its votes.
func (g *Gateway) keepPlace(ctx context.Context) error {
	var unsaid entrance // what was refused last
	for left := g.site.before == ""; pause(ctx, time.Second) == nil; {
		e, ok := g.claim(left)
		if !ok {
			continue
		}
		err := g.askToEnter(ctx, e)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && e != unsaid:
			unsaid = e
			g.log.Info("asking the site to let this gateway in", "address", e.Address, "before", e.Before, "answer", err)
		case err == nil && e.Before != "":
			left = true
			g.log.Info("the log was lost: this gateway takes part as another", "before", e.Before, "now", e.ID)
			if err := g.store.SetLocal(beforeKey, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// claim is what this gateway has to ask of the site now, false when nothing.
func (g *Gateway) claim(left bool) (entrance, bool) {
	e := entrance{ID: g.name(), Address: g.site.address}
	if !left {
		e.Before = g.site.before
		return e, true
	}
	all := g.group.Members()
	for _, m := range all {
		if m.ID == e.ID {
			return e, m.Address != e.Address && !g.group.Leading() // a leader moves itself
		}
	}
	return e, len(all) == 0 && !g.site.founder
}

// askToEnter asks the others, one after the other, until one has asked the
// leader. The first that was reached has the last word.
func (g *Gateway) askToEnter(ctx context.Context, e entrance) (err error) {
	for _, n := range g.neighbours() {
		if n.ID == g.name() {
			continue
		}
		asked, cancel := context.WithTimeout(ctx, 15*time.Second)
		_, err = g.site.links.Call(asked, n.ID, http.MethodPost, callEnter, mustJSON(e))
		cancel()
		if err == nil || shardlog.KindOf(err) == shardlog.Invalid {
			return err
		}
	}
	return err
}
