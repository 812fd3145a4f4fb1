package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// processes are three servers as processes of their own.
type processes struct {
	dir    string
	client []int
	route  []int
	cmds   []*exec.Cmd
}

func startProcesses(dir string, n int) (*processes, error) {
	ports, err := freePorts(2 * n)
	if err != nil {
		return nil, err
	}
	p := &processes{dir: dir, client: ports[:n], route: ports[n:], cmds: make([]*exec.Cmd, n)}
	for i := range n {
		if err := p.start(i); err != nil {
			p.stop()
			return nil, err
		}
	}
	return p, nil
}

func serverName(i int) string { return fmt.Sprint("n", i) }

// start returns when the server takes clients.
func (p *processes) start(i int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var routes []string
	for _, r := range p.route {
		routes = append(routes, "127.0.0.1:"+strconv.Itoa(r))
	}
	cmd := exec.Command(self, "serve", "--dir", filepath.Join(p.dir, serverName(i)), "--name", serverName(i), "--client", strconv.Itoa(p.client[i]),
		"--cluster", strconv.Itoa(p.route[i]), "--routes", strings.Join(routes, ","))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmds[i] = cmd
	if !bufio.NewScanner(out).Scan() {
		return errors.New("a server ended early")
	}
	return nil
}

func (p *processes) kill(i int) {
	if c := p.cmds[i]; c != nil {
		_ = c.Process.Kill()
		_ = c.Wait()
		p.cmds[i] = nil
	}
}

func (p *processes) stop() {
	for i := range p.cmds {
		p.kill(i)
	}
}

func (p *processes) url(i int) string { return "nats://127.0.0.1:" + strconv.Itoa(p.client[i]) }

// used is what all servers took so far.
func (p *processes) used() (sum usage) {
	for _, c := range p.cmds {
		u := lookAt(c.Process.Pid)
		sum.cpu += u.cpu
		sum.device += u.device
	}
	return sum
}

// connect is a client of one server that stays with it.
func (p *processes) connect(i int) (jetstream.JetStream, func(), error) {
	c, err := nats.Connect(p.url(i), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.DontRandomize())
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(c)
	return js, c.Close, err
}

// leader is which server leads a stream.
func leader(ctx context.Context, js jetstream.JetStream, name string, n int) (int, error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		s, err := js.Stream(attempt, name)
		cancel()
		if err == nil && s.CachedInfo().Cluster != nil {
			for i := range n {
				if s.CachedInfo().Cluster.Leader == serverName(i) {
					return i, nil
				}
			}
		}
		if ctx.Err() != nil {
			return 0, errors.Join(err, ctx.Err())
		}
		rest(ctx, 50*time.Millisecond)
	}
}

// settled waits until every replica of every stream has everything.
func settled(ctx context.Context, js jetstream.JetStream, streams int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for i := 0; i < streams; {
		attempt, stop := context.WithTimeout(ctx, 2*time.Second)
		s, err := js.Stream(attempt, stream(i))
		stop()
		if err == nil && whole(s.CachedInfo()) {
			i++
			continue
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("stream %d is not whole", i), err, ctx.Err())
		}
		rest(ctx, 10*time.Millisecond)
	}
	return nil
}

func whole(info *jetstream.StreamInfo) bool {
	if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) == 0 {
		return false
	}
	for _, r := range info.Cluster.Replicas {
		if !r.Current || r.Offline || r.Lag > 0 {
			return false
		}
	}
	return true
}
