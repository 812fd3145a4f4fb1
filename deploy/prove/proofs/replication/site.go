package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// site is three gateways as child processes on loopback.
type site struct {
	o        options
	dir      string
	gateways []*gateway
}

// gateway is one of them.
type gateway struct {
	headgate, data           string
	api, mqtt, console, peer string
	cmd                      *exec.Cmd
}

func newSite(dir string, o options) (*site, error) {
	s := &site{o: o, dir: dir}
	for i := range o.gateways {
		g := &gateway{headgate: o.headgate, data: filepath.Join(dir, fmt.Sprint("gateway", i+1))}
		for _, at := range []*string{&g.api, &g.mqtt, &g.console, &g.peer} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			*at = l.Addr().String()
			if err := l.Close(); err != nil {
				return nil, err
			}
		}
		s.gateways = append(s.gateways, g)
	}
	return s, nil
}

func (s *site) oracle(i int) string { return filepath.Join(s.dir, fmt.Sprint("oracle", i+1)) }

// begin starts the first gateway, lets the others join, and waits until all vote.
func (s *site) begin(ctx context.Context) error {
	for i, g := range s.gateways {
		code := ""
		if i > 0 {
			out, err := s.gateways[0].run(ctx, "invite")
			if err != nil {
				return err
			}
			code = strings.TrimSpace(out)
		}
		if err := g.start(code); err != nil {
			return err
		}
		if err := g.await(ctx, func(st status) bool { return st.Health.Ready }); err != nil {
			return err
		}
	}
	if _, err := s.gateways[0].run(ctx, "streams", "create", probeStream, "--shards", "1"); err != nil {
		return err
	}
	return s.gateways[0].await(ctx, func(st status) bool { return st.Site.Voters == len(s.gateways) })
}

// probeStream takes the records that only ask whether the site stores.
const probeStream = "probe"

// start starts the gateway's process.
func (g *gateway) start(code string) error {
	args := []string{"serve", "--open", "--limits", "off", "--data", g.data, "--api", g.api, "--mqtt", g.mqtt, "--console", g.console,
		"--peer", g.peer, "--log-level", "error", "--spool-grace", "3s"}
	if code != "" {
		args = append(args, "--join", code)
	}
	g.cmd = exec.Command(g.headgate, args...)
	g.cmd.Stderr = os.Stderr
	if err := g.cmd.Start(); err != nil {
		return fmt.Errorf("start headgate: %w", err)
	}
	return nil
}

// kill ends the gateway as a power cut ends a process: without a word.
func (g *gateway) kill() error {
	if err := g.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = g.cmd.Wait() // it was killed: that is its error
	g.cmd = nil
	return nil
}

func (s *site) stop() {
	for _, g := range s.gateways {
		if g.cmd != nil {
			_ = g.kill()
		}
	}
}

// run runs a headgate command about the gateway and answers what it printed.
func (g *gateway) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, g.headgate, append(args, "--data", g.data)...)
	var text bytes.Buffer
	cmd.Stderr = &text
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("headgate %s: %w: %s", args[0], err, text.String())
	}
	return string(out), nil
}

// status is what the proof wants to know of `headgate status`.
type status struct {
	ID     string `json:"id"`
	Health struct {
		Ready bool `json:"ready"`
	} `json:"health"`
	Log struct {
		Leading bool `json:"leading"`
	} `json:"log"`
	Site struct {
		Voters  int `json:"voters"`
		Members []struct {
			Lag uint64 `json:"lag"`
		} `json:"members"`
		Spool struct {
			Isolated bool   `json:"isolated"`
			Draining bool   `json:"draining"`
			Records  uint64 `json:"records"`
			Kept     uint64 `json:"kept"`
		} `json:"spool"`
	} `json:"site"`
}

func (g *gateway) status(ctx context.Context) (st status, err error) {
	out, err := g.run(ctx, "status", "-o", "json")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal([]byte(out), &st)
}

// await asks until it is so.
func (g *gateway) await(ctx context.Context, so func(status) bool) error {
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		if st, err := g.status(ctx); err == nil && so(st) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.New("the gateway did not get there in a minute")
}

// leader is the gateway that leads.
func (s *site) leader(ctx context.Context) (*gateway, error) {
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		for _, g := range s.gateways {
			if g.cmd == nil {
				continue
			}
			if st, err := g.status(ctx); err == nil && st.Log.Leading {
				return g, nil
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, errors.New("nobody leads")
}

// settle waits until everything is drained and everybody has everything.
func (s *site) settle(ctx context.Context) error {
	for _, g := range s.gateways {
		err := g.await(ctx, func(st status) bool {
			for _, m := range st.Site.Members {
				if m.Lag > 0 {
					return false
				}
			}
			return st.Health.Ready && !st.Site.Spool.Isolated && !st.Site.Spool.Draining && st.Site.Spool.Records == 0
		})
		if err != nil {
			return err
		}
	}
	return nil
}
