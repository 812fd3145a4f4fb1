package main

import (
	"context"
	"fmt"
	"path/filepath"

	"headgate/deploy/prove/internal/trio"
)

// site is three gateways as child processes on loopback.
type site struct {
	*trio.Site
	o   options
	dir string
}

func newSite(dir string, o options) (*site, error) {
	s, err := trio.New(trio.Options{Headgate: o.headgate, Dir: dir, Gateways: o.gateways, Serve: []string{"--open", "--limits", "off", "--log-level", "error", "--spool-grace", "3s"}})
	return &site{s, o, dir}, err
}

func (s *site) oracle(i int) string { return filepath.Join(s.dir, fmt.Sprint("oracle", i+1)) }

// begin starts the gateways and makes the stream of probes.
func (s *site) begin(ctx context.Context) error {
	if err := s.Begin(ctx); err != nil {
		return err
	}
	_, err := s.Gateways[0].Run(ctx, "streams", "create", probeStream, "--shards", "1")
	return err
}

// probeStream takes the records that only ask whether the site stores.
const probeStream = "probe"
