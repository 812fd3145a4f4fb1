package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"headgate/deploy/lab"
)

const (
	apiPort     = "4567"
	consolePort = "8080"
	peerPort    = "7400"
)

// gateway is one gateway: a host, a disk and, most of the time, a process.
type gateway struct {
	site *site
	host *lab.Host
	disk *disk
	log  string // file of what it prints

	mu    sync.Mutex
	cmd   *exec.Cmd     // guarded by mu; nil before the first start
	ended chan struct{} // guarded by mu; closed when cmd has ended
	dying bool          // guarded by mu; it was told to, or its disk is full
	fell  []string      // guarded by mu; ends that nobody wanted
	full  int           // guarded by mu; ends on a full disk
}

func (g *gateway) data() string { return filepath.Join(g.disk.folder, "data") }

// arguments are those of `headgate serve`. The APIs are on the host's own
// loopback: its clients are always near it.
func (g *gateway) arguments(more []string) []string {
	args := []string{"serve", "--data", g.data(), "--open", "--mqtt", "off", "--limits", "off", "--log-level", g.site.o.level,
		"--api", "127.0.0.1:" + apiPort, "--console", "127.0.0.1:" + consolePort}
	if g.site.o.gateways > 1 {
		args = append(args, "--peer", net.JoinHostPort(g.host.Address(), peerPort))
	}
	return append(args, more...)
}

// start starts the process; it need not be ready yet.
func (g *gateway) start(more ...string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running() {
		return nil
	}
	out, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := g.host.Command(context.Background(), g.site.o.headgate, g.arguments(more)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start headgate: %w", err)
	}
	ended := make(chan struct{})
	g.cmd, g.ended, g.dying = cmd, ended, false
	go g.watch(cmd, ended) // kill waits for it
	return g.disk.slow.adopt(cmd.Process.Pid)
}

// command is a command of the command line for the gateway.
func (g *gateway) command(ctx context.Context, args ...string) *exec.Cmd {
	return g.host.Command(ctx, g.site.o.headgate, append(args, "--data", g.data())...)
}

// running needs mu.
func (g *gateway) running() bool {
	if g.cmd == nil {
		return false
	}
	select {
	case <-g.ended:
		return false
	default:
		return true
	}
}

func (g *gateway) watch(cmd *exec.Cmd, ended chan struct{}) {
	err := cmd.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.dying:
	case g.disk.filled():
		g.full++
		g.site.recorder.event(fmt.Sprintf("%s ended on a full disk: %v", g.host.Name(), err))
	default:
		g.fell = append(g.fell, fmt.Sprintf("%v at %v", err, g.site.recorder.since()))
		g.site.recorder.event(fmt.Sprintf("%s ended by itself: %v", g.host.Name(), err))
	}
	close(ended)
}

// falls are the ends that nobody wanted.
func (g *gateway) falls() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fell
}

// kill ends the process as a power cut does, and waits for its end.
func (g *gateway) kill() {
	g.mu.Lock()
	if !g.running() {
		g.mu.Unlock()
		return
	}
	g.dying = true
	ended := g.ended
	_ = g.cmd.Process.Kill() // an error means that it has ended
	g.mu.Unlock()
	<-ended
}

// restart starts the process if it does not run, and wakes it if it stands.
func (g *gateway) restart() error {
	g.signal(syscall.SIGCONT)
	return g.start()
}

// signal sends a signal to the process, if it runs.
func (g *gateway) signal(s syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running() {
		_ = g.cmd.Process.Signal(s) // an error means that it has ended
	}
}

// ready waits until the gateway says that it is.
func (g *gateway) ready(ctx context.Context) error {
	client := g.client()
	for {
		err := g.probe(ctx, client)
		if err == nil {
			return nil
		}
		if falls := g.falls(); len(falls) > 0 {
			return fmt.Errorf("it ended by itself: %s", falls[0])
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("not ready: %w", err)
		}
	}
}

func (g *gateway) probe(ctx context.Context, client *http.Client) error {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+consolePort+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("readyz answers %s", resp.Status)
	}
	return nil
}

// client is an HTTP client on the gateway's host.
func (g *gateway) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: g.host.Dial, MaxIdleConnsPerHost: 16}}
}

// pause waits; it answers the context's end.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
