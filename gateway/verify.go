package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"headgate/shardlog/store"
)

// VerifyReport is what a walk over every block found.
type VerifyReport struct {
	Blocks  uint64      `json:"blocks"`
	Records uint64      `json:"records"`
	Bytes   uint64      `json:"bytes"` // of blocks, as stored
	Bad     []BadBlock  `json:"bad,omitempty"`
	Missing []GapDetail `json:"missing,omitempty"` // sequences that no readable block holds
	Damage  string      `json:"damage,omitempty"`  // what opening the store had to cut off
}

// Whole reports whether everything that should be there can be read.
func (r VerifyReport) Whole() bool { return len(r.Bad) == 0 && len(r.Missing) == 0 && r.Damage == "" }

// BadBlock is a block that cannot be read.
type BadBlock struct {
	Stream string `json:"stream"`
	Bucket uint32 `json:"bucket"`
	Index  uint64 `json:"index"` // of its log entry
	Block  uint16 `json:"block"` // among the blocks of that entry
	Why    string `json:"why"`
}

// storeFolder is where the store lies in the data folder.
const storeFolder = "pebble"

// VerifyFolder walks the blocks of a data folder that no gateway runs on.
func VerifyFolder(ctx context.Context, data string, progress func(done, total uint64)) (VerifyReport, error) {
	if err := hasLog(data); err != nil {
		return VerifyReport{}, err
	}
	s, err := store.Open(data, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return VerifyReport{}, explainOpen(data, err)
	}
	report, err := verify(ctx, s, progress)
	if e := s.Close(); err == nil {
		err = e
	}
	return report, err
}

// hasLog wants a log to be in the folder: opening would make one.
func hasLog(data string) error {
	if _, err := os.Stat(filepath.Join(data, storeFolder)); err != nil {
		return fmt.Errorf("there is no log in %s: %w", data, err)
	}
	return nil
}

func verify(ctx context.Context, s *store.Store, progress func(done, total uint64)) (VerifyReport, error) {
	found, err := s.Verify(ctx, progress)
	if err != nil {
		return VerifyReport{}, err
	}
	r := VerifyReport{Blocks: found.Blocks, Records: found.Records, Bytes: found.Bytes, Damage: s.Damage()}
	for _, b := range found.Bad {
		r.Bad = append(r.Bad, BadBlock{string(b.Stream), b.Bucket, b.Index, b.Block, b.Why})
	}
	for _, g := range found.Missing {
		r.Missing = append(r.Missing, gapDetail(g))
	}
	return r, nil
}

// verifyYield takes a step of a verification.
type verifyYield func(VerifyStep) error

// VerifyStep is one line of a verification under way: how far it got, or in
// the end its report.
type VerifyStep struct {
	Done   uint64        `json:"done"`
	Total  uint64        `json:"total"`
	Report *VerifyReport `json:"report,omitempty"`
}

func (g *Gateway) verifyTo(ctx context.Context, yield verifyYield) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	report, err := verify(ctx, g.store, func(done, total uint64) {
		if err := yield(VerifyStep{Done: done, Total: total}); err != nil {
			cancel(err)
		}
	})
	if err != nil {
		return err
	}
	if !report.Whole() && g.site != nil {
		if err := g.store.Inspect(ctx); err != nil { // so that what is bad is fetched from a peer
			return err
		}
	}
	return yield(VerifyStep{Done: report.Bytes, Total: report.Bytes, Report: &report})
}

func (a *admin) verifyBlocks(w http.ResponseWriter, r *http.Request) (any, error) {
	lines := newLines(w)
	err := a.verify(r.Context(), func(s VerifyStep) error {
		defer lines.flush()
		return lines.write(s)
	})
	if err != nil {
		return nil, lines.fail(err)
	}
	return nil, lines.end()
}
