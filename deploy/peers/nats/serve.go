package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// serve is one server of a cluster, as a process.
type serve struct {
	dir, name       string
	client, cluster int    // ports
	routes          string // of all, with commas
}

func (s serve) run(ctx context.Context) error {
	o := base(s.name, s.dir)
	o.Port = s.client
	o.Cluster = server.ClusterOpts{Name: "bench", Host: "127.0.0.1", Port: s.cluster}
	for _, r := range strings.Split(s.routes, ",") {
		u, err := url.Parse("nats://" + r)
		if err != nil {
			return err
		}
		o.Routes = append(o.Routes, u)
	}
	running, err := begin(o)
	if err != nil {
		return err
	}
	defer shutdown([]*server.Server{running})
	fmt.Println("ready")
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ctx.Done():
	case <-ended:
	}
	return nil
}
