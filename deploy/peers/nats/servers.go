package main

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const startTimeout = 30 * time.Second

// base are the options that all servers share: loopback, no signals, quiet,
// JetStream in dir, and a sync before each acknowledgement.
func base(name, dir string) *server.Options {
	return &server.Options{
		ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT,
		NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
	}
}

func begin(o *server.Options) (*server.Server, error) {
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	go s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return nil, fmt.Errorf("server %s did not start", o.ServerName)
	}
	return s, nil
}

// cluster starts n servers that know each other; one stands alone.
func cluster(dir string, n int) ([]*server.Server, error) {
	if n == 1 {
		s, err := begin(base("n0", dir))
		return []*server.Server{s}, err
	}
	ports, err := freePorts(n)
	if err != nil {
		return nil, err
	}
	var routes []*url.URL
	for _, p := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(p))})
	}
	var all []*server.Server
	for i := range n {
		name := fmt.Sprintf("n%d", i)
		o := base(name, filepath.Join(dir, name))
		o.Cluster = server.ClusterOpts{Name: "bench", Host: "127.0.0.1", Port: ports[i]}
		o.Routes = routes
		s, err := begin(o)
		if err != nil {
			shutdown(all)
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// freePorts asks the kernel for ports, all at once so that they differ.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func shutdown(all []*server.Server) {
	for _, s := range all {
		s.Shutdown()
	}
	for _, s := range all {
		s.WaitForShutdown()
	}
}
