package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"headgate/deploy/lab"
)

// site is the gateways of a round, each on a host of a lab.
type site struct {
	o        options
	folder   string
	lab      *lab.Lab
	gateways []*gateway
	recorder *recorder
}

// begin and stay bound how long a gateway may take to be ready.
const patience = 60 * time.Second

func newSite(ctx context.Context, o options, seed uint64, r *recorder) (_ *site, err error) {
	if o.headgate == "" {
		return nil, errors.New("name the binary: --headgate PATH")
	}
	if err := removeStale(); err != nil {
		return nil, fmt.Errorf("remove what a crashed run left: %w", err)
	}
	s := &site{o: o, recorder: r}
	if s.lab, err = lab.New(ctx, lab.Config{Hosts: o.gateways, Seed: seed}); err != nil {
		return nil, err
	}
	if s.folder, err = newFolder(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	for _, h := range s.lab.Hosts() {
		g := &gateway{site: s, host: h, log: filepath.Join(s.folder, h.Name()+".log")}
		if g.disk, err = newDisk(s.folder, h.Name()); err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.gateways = append(s.gateways, g)
	}
	return s, nil
}

// begin starts the first gateway and lets the others join it.
func (s *site) begin(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 2*patience)
	defer stop()
	for n, g := range s.gateways {
		var join []string
		if n > 0 {
			code, err := s.invite(ctx)
			if err != nil {
				return err
			}
			join = []string{"--join", code}
		}
		if err := g.start(join...); err != nil {
			return err
		}
		if err := g.ready(ctx); err != nil {
			return fmt.Errorf("gateway %s: %w", g.host.Name(), err)
		}
	}
	return s.formed(ctx)
}

// formed waits until all gateways vote, or three of them: faults before that
// would hit a site that cannot survive them yet.
func (s *site) formed(ctx context.Context) error {
	want := min(3, (len(s.gateways)+1)/2*2-1) // an odd number
	return until(ctx, func() error {
		out, err := s.gateways[0].command(ctx, "peers", "-o", "json").Output()
		if err != nil {
			return fmt.Errorf("headgate peers: %w", err)
		}
		var status struct{ Voters int }
		if err := json.Unmarshal(out, &status); err != nil {
			return fmt.Errorf("headgate peers: %w", err)
		}
		if status.Voters < want && len(s.gateways) > 1 {
			return fmt.Errorf("%d of %d gateways vote", status.Voters, want)
		}
		return nil
	})
}

// invite is a join code of the first gateway.
func (s *site) invite(ctx context.Context) (string, error) {
	out, err := s.gateways[0].command(ctx, "invite").Output()
	if err != nil {
		return "", fmt.Errorf("headgate invite: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// heal takes all faults away and starts what does not run.
func (s *site) heal(ctx context.Context) error {
	s.recorder.event("all is well again")
	s.lab.Heal()
	for _, g := range s.gateways {
		if err := g.restart(); err != nil {
			return err
		}
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for _, g := range s.gateways {
		if err := g.ready(ctx); err != nil {
			return fmt.Errorf("gateway %s is not ready %v after all faults are gone: %w", g.host.Name(), patience, err)
		}
	}
	return nil
}

// fell answers the gateways that ended of their own accord, for no reason.
func (s *site) fell() (all error) {
	for _, g := range s.gateways {
		for _, how := range g.falls() {
			all = errors.Join(all, fmt.Errorf("gateway %s ended by itself: %s", g.host.Name(), how))
		}
	}
	return all
}

func (s *site) close() (all error) {
	for _, g := range s.gateways {
		g.kill()
	}
	if s.lab != nil {
		all = s.lab.Close()
	}
	for _, g := range s.gateways {
		all = errors.Join(all, g.disk.remove())
	}
	if s.folder != "" {
		all = errors.Join(all, os.RemoveAll(s.folder))
	}
	return all
}
