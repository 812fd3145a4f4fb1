// Package voters runs several voters of a site in one process: each with a
// store of its own, linked over loopback. It does not know what they are asked.
package voters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/shardlog/store"
	"headgate/sync/raftgroup"
)

// Site is the voters.
type Site struct {
	Nodes []*Node
}

// Node is one voter.
type Node struct {
	Store *store.Store
	Group *raftgroup.Group
}

// Open makes the voters below a folder; nothing runs yet.
func Open(dir string, n int) (*Site, error) {
	s := &Site{}
	quiet := slog.New(slog.DiscardHandler)
	servers, links, err := addresses(n)
	if err != nil {
		return nil, err
	}
	for i := range n {
		// A failed write panics: there is nothing to measure any more.
		st, err := store.Open(filepath.Join(dir, servers[i].ID), store.Options{Log: quiet})
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.Nodes = append(s.Nodes, &Node{Store: st})
		s.Nodes[i].Group, err = raftgroup.Open(raftgroup.Config{
			ID: servers[i].ID, Machine: st, Journal: st.Journal(), Locals: st, Snapshots: st, Servers: servers, Link: links[i], Log: quiet,
		})
		if err != nil {
			return nil, errors.Join(err, s.Close())
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

// While runs the voters as long as do takes, and closes them.
func (s *Site) While(ctx context.Context, do func(ctx context.Context) error) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var groups errgroup.Group
	for _, n := range s.Nodes {
		groups.Go(func() error { return n.Group.Run(running) })
	}
	err := do(ctx)
	stop()
	if e := groups.Wait(); err == nil {
		err = e
	}
	return errors.Join(err, s.Close())
}

// Leader waits for the voter that leads.
func (s *Site) Leader(ctx context.Context) (*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, n := range s.Nodes {
			if n.Group.Leading() {
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

// Counts is what all stores passed to write, and how often they synced.
func (s *Site) Counts() (written, syncs uint64) {
	for _, n := range s.Nodes {
		c := n.Store.Disk().Counts()
		written += c.Written
		syncs += c.Syncs
	}
	return written, syncs
}

// Close closes the stores.
func (s *Site) Close() error {
	var all error
	for _, n := range s.Nodes {
		all = errors.Join(all, n.Store.Close())
	}
	return all
}
