package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"headgate/deploy/prove/proofs/histories/history"
)

// round is one site's life, from its first start to the judgement.
type round struct {
	o        options
	seed     uint64
	recorder recorder
	figures  figures
}

func (r *round) run(ctx context.Context) (err error) {
	s, err := newSite(ctx, r.o, r.seed, &r.recorder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.begin(ctx); err != nil {
		return errors.Join(err, r.keep(s, nil))
	}
	kinds, err := s.available()
	if err != nil {
		return err
	}
	all := r.live(ctx, s, kinds)
	if ctx.Err() != nil {
		return all
	}
	faults := r.recorder.history.Check()
	r.figures.count(&r.recorder, s)
	if all = errors.Join(all, s.fell(), broken(faults)); all != nil || r.o.keep {
		all = errors.Join(all, r.keep(s, faults))
	}
	return all
}

// live lets clients and faults loose, heals the site and copies its log.
func (r *round) live(ctx context.Context, s *site, kinds []*fault) error {
	c := &clients{site: s, recorder: &r.recorder}
	if err := c.begin(ctx); err != nil {
		return fmt.Errorf("make the stream: %w", err)
	}
	r.recorder.history.Seed = r.seed
	r.recorder.history.Config = fmt.Sprintf("%d gateways, %d shards, %v, faults %s", r.o.gateways, r.o.shards, r.o.span, strings.Join(r.o.faults, ","))
	span, stop := context.WithTimeout(ctx, r.o.span)
	defer stop()
	var busy sync.WaitGroup
	for n, group := range [][]*fault{ofNetwork(kinds, true), ofNetwork(kinds, false)} {
		random := rand.New(rand.NewPCG(r.seed, uint64(n)))
		busy.Go(func() { s.torment(span, random, group) })
	}
	busy.Go(func() { c.run(span, r.seed) })
	busy.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	if err := s.heal(ctx); err != nil {
		return err
	}
	err := c.copy(ctx)
	r.figures.recovery = time.Since(began)
	return err
}

// broken is the faults as an error, of each law the first ones.
func broken(faults []history.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	const show = 5
	byLaw, lines := map[history.Law]int{}, []string{}
	for _, f := range faults {
		if byLaw[f.Law]++; byLaw[f.Law] <= show {
			lines = append(lines, "  "+f.String())
		}
	}
	for law, n := range byLaw {
		if n > show {
			lines = append(lines, fmt.Sprintf("  … %d times: %s", n, law))
		}
	}
	return fmt.Errorf("%d faults:\n%s", len(faults), strings.Join(lines, "\n"))
}

// keep writes the history, a drawing of the shards that are at fault and the
// gateways' logs to a folder that it names.
func (r *round) keep(s *site, faults []history.Fault) error {
	folder, err := filepath.Abs(filepath.Join(r.o.out, fmt.Sprintf("history-%d", r.seed)))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	h := &r.recorder.history
	b, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		return err
	}
	all := os.WriteFile(filepath.Join(folder, "history.json"), b, 0o644)
	var drawn []string
	for _, f := range faults {
		if !slices.Contains(drawn, f.Shard) {
			drawn = append(drawn, f.Shard)
			all = errors.Join(all, draw(h, f.Shard, filepath.Join(folder, f.Shard+".html")))
		}
	}
	for _, g := range s.gateways {
		log, err := os.ReadFile(g.log)
		if err == nil { // otherwise it has never been started
			err = os.WriteFile(filepath.Join(folder, g.host.Name()+".log"), log, 0o644)
		}
		if !errors.Is(err, os.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	fmt.Printf("seed %d: the history is in %s\n", r.seed, folder)
	return all
}

func draw(h *history.History, shard, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(h.Draw(shard, f), f.Close())
}
