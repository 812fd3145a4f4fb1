package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog/store"
	"headgate/sync/forward"
	"headgate/sync/raftgroup"
)

// Recovered is a site that goes on from one gateway.
type Recovered struct {
	ID      string   `json:"id"`
	Last    uint64   `json:"last_index"`
	Term    uint64   `json:"last_term"`
	Applied uint64   `json:"applied"`
	Loss    string   `json:"loss"`
	Gone    []string `json:"gone"` // members that are no more
	Spooled uint64   `json:"spooled_rows"`
}

// Recover makes the gateway of a data folder the only one of its site. No
// gateway may run on the folder.
func Recover(_ context.Context, data string) (r Recovered, err error) {
	g, err := openFolder(data)
	if err != nil {
		return r, err
	}
	defer func() {
		if e := g.store.Close(); err == nil {
			err = e
		}
	}()
	lost, err := raftgroup.Recover(raftgroup.Config{ID: g.name(), Machine: g.store, Journal: g.store.Journal(), Locals: g.store,
		Snapshots: g.store, Log: g.log})
	if err != nil {
		return r, err
	}
	r = Recovered{ID: g.name(), Last: lost.LastIndex, Term: lost.LastTerm, Applied: lost.Applied, Spooled: g.store.Spool().Stats().Rows,
		Loss: fmt.Sprintf("whatever the others stored behind entry %d", lost.LastIndex)}
	if lost.Pulling > lost.LastIndex {
		r.Loss = fmt.Sprintf("entries %d to %d, which this gateway was fetching when it ended, and whatever the others stored behind them", lost.LastIndex+1, lost.Pulling)
	}
	for _, m := range lost.Members {
		if m.ID != g.name() {
			r.Gone = append(r.Gone, m.ID)
		}
	}
	return r, g.standAlone(r.Gone)
}

// standAlone has the next start not wait for the others, nor let them in as
// they were: what they stored since is not in this log.
func (g *Gateway) standAlone(gone []string) error {
	earlier, err := g.readGone()
	if err != nil {
		return err
	}
	if err := g.store.SetLocal(goneKey, mustJSON(append(earlier, gone...))); err != nil {
		return err
	}
	if err := g.store.EndAmnesia(); err != nil {
		return err
	}
	if err := g.store.SetLocal(roleKey, []byte(roleFounder)); err != nil {
		return err
	}
	papers, err := access.OpenSite(filepath.Join(g.config.Data, siteFolder))
	if err != nil {
		return nil // it never had peers
	}
	kept, err := papers.Neighbours()
	if err != nil {
		return err
	}
	for _, n := range kept {
		if n.ID == g.name() {
			return papers.KeepNeighbours([]access.Neighbour{n})
		}
	}
	return nil
}

// openFolder opens the store of a folder that no gateway runs on.
func openFolder(data string) (*Gateway, error) {
	if err := hasLog(data); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open(data, store.Options{Log: quiet})
	if err != nil {
		return nil, explainOpen(data, err)
	}
	g := &Gateway{config: Config{Data: data}, log: quiet, store: s}
	if g.id, _, _, err = identity(s); err != nil {
		_ = s.Close() // the first error says more
		return nil, err
	}
	return g, nil
}

// SpoolRecord is one record of a spool.
type SpoolRecord struct {
	Stream string    `json:"stream"`
	Key    string    `json:"partitionKey"`
	Hash   string    `json:"explicitHashKey,omitempty"`
	At     time.Time `json:"at"`
	Data   []byte    `json:"data"`
	Meta   []byte    `json:"meta,omitempty"`
}

// ExportSpool yields the records of the spool of a folder that no gateway runs on.
func ExportSpool(ctx context.Context, data string, yield func(SpoolRecord) error) (err error) {
	g, err := openFolder(data)
	if err != nil {
		return err
	}
	defer func() {
		if e := g.store.Close(); err == nil {
			err = e
		}
	}()
	for r, err := range forward.Export(spoolRows{Spool: g.store.Spool()}) {
		if err != nil {
			return err
		}
		out := SpoolRecord{Stream: string(r.Stream), Key: r.Key, At: r.At, Data: r.Data, Meta: r.Meta}
		if r.Hash != nil {
			out.Hash = r.Hash.String()
		}
		if err := errors.Join(ctx.Err(), yield(out)); err != nil {
			return err
		}
	}
	return nil
}
