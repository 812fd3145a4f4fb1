package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"headgate/shardlog/store"
	"headgate/sync/raftgroup"
)

// site is voters in one process: each with a store of its own, linked over loopback.
type site struct {
	nodes []*node
}

type node struct {
	store *store.Store
	group *raftgroup.Group
}

// openSite makes the voters; nothing runs yet.
func openSite(dir string, n int) (*site, error) {
	s := &site{}
	quiet := slog.New(slog.DiscardHandler)
	servers, links, err := addresses(n)
	if err != nil {
		return nil, err
	}
	for i := range n {
		// A failed write panics: there is nothing to measure any more.
		st, err := store.Open(filepath.Join(dir, servers[i].ID), store.Options{Log: quiet})
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.nodes = append(s.nodes, &node{store: st})
		s.nodes[i].group, err = raftgroup.Open(raftgroup.Config{
			ID: servers[i].ID, Machine: st, Journal: st.Journal(), Locals: st, Snapshots: st, Servers: servers, Link: links[i], Log: quiet,
		})
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func addresses(n int) ([]raftgroup.Server, []*raftgroup.Link, error) {
	servers, links := make([]raftgroup.Server, n), make([]*raftgroup.Link, n)
	for i := range n {
		servers[i] = raftgroup.Server{ID: fmt.Sprintf("node%d", i), Address: "alone"}
		if n == 1 {
			break
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		servers[i].Address = l.Addr().String()
		links[i] = &raftgroup.Link{Listener: l, Dial: func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}}
	}
	return servers, links, nil
}

// leader waits for the voter that leads.
func (s *site) leader(ctx context.Context) (*node, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, n := range s.nodes {
			if n.group.Leading() {
				return n, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a leader: %w", context.Cause(ctx))
		}
	}
}

func (s *site) counts() (written, syncs uint64) {
	for _, n := range s.nodes {
		c := n.store.Disk().Counts()
		written += c.Written
		syncs += c.Syncs
	}
	return written, syncs
}

func (s *site) close() error {
	var all error
	for _, n := range s.nodes {
		all = errors.Join(all, n.store.Close())
	}
	return all
}
