// Package trio is a site of gateways as child processes on loopback, which
// proofs start, kill and ask. It knows the binary as its users do.
package trio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Site is some gateways as child processes.
type Site struct {
	Gateways []*Gateway
}

// Gateway is one of them.
type Gateway struct {
	Name                     string
	Data                     string // its data folder
	API, MQTT, Console, Peer string // addresses
	MQTTS, HTTPS             string // addresses, empty without Secure
	headgate                 string
	serve                    []string
	log                      string
	cmd                      *exec.Cmd
}

// Options say what site to make.
type Options struct {
	Headgate string // the binary
	Dir      string // for their data
	Log      bool   // into a file of each beside its data, not to standard error
	Gateways int
	Secure   bool     // with doors over TLS
	Serve    []string // flags of `headgate serve` beyond the addresses
}

// New takes addresses for a site; nothing runs yet.
func New(o Options) (*Site, error) {
	s := &Site{}
	var held []net.Listener // until all are chosen: none is chosen twice
	defer func() {
		for _, l := range held {
			_ = l.Close() // nothing came
		}
	}()
	for i := range o.Gateways {
		name := fmt.Sprint("gateway", i+1)
		g := &Gateway{Name: name, headgate: o.Headgate, Data: filepath.Join(o.Dir, name), serve: o.Serve}
		if o.Log {
			g.log = g.Data + ".log"
		}
		doors := []*string{&g.API, &g.MQTT, &g.Console, &g.Peer}
		if o.Secure {
			doors = append(doors, &g.MQTTS, &g.HTTPS)
		}
		for _, at := range doors {
			l, err := free()
			if err != nil {
				return nil, err
			}
			held, *at = append(held, l), l.Addr().String()
		}
		s.Gateways = append(s.Gateways, g)
	}
	return s, nil
}

// free listens at an address that nobody has. It lies below those that the kernel gives
// to connections, one of which could have it while a gateway is dead.
func free() (l net.Listener, err error) {
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10000+rand.IntN(20000))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// Begin starts the first gateway, lets the others join, and waits until all vote.
func (s *Site) Begin(ctx context.Context) error {
	for i, g := range s.Gateways {
		code := ""
		if i > 0 {
			out, err := s.Gateways[0].Run(ctx, "invite")
			if err != nil {
				return err
			}
			code = strings.TrimSpace(out)
		}
		if err := g.Start(code); err != nil {
			return err
		}
		if err := g.Await(ctx, func(st Status) bool { return st.Health.Ready }); err != nil {
			return err
		}
	}
	return s.Gateways[0].Await(ctx, func(st Status) bool { return st.Site.Voters == len(s.Gateways) })
}

// Start starts the gateway's process; with a code it joins the site of whom that is from.
func (g *Gateway) Start(code string) error {
	args := append([]string{"serve", "--data", g.Data, "--api", g.API, "--mqtt", g.MQTT, "--console", g.Console, "--peer", g.Peer}, g.serve...)
	if g.MQTTS != "" {
		args = append(args, "--mqtts", g.MQTTS, "--https", g.HTTPS)
	}
	if code != "" {
		args = append(args, "--join", code)
	}
	cmd := exec.Command(g.headgate, args...)
	if cmd.Stderr = os.Stderr; g.log != "" {
		log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		cmd.Stderr = log
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start headgate: %w", err)
	}
	g.cmd = cmd
	return nil
}

// Up reports whether the gateway's process was started and not killed since.
func (g *Gateway) Up() bool { return g.cmd != nil }

// Kill ends the gateway as a power cut ends a process: without a word.
func (g *Gateway) Kill() error {
	if err := g.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = g.cmd.Wait() // it was killed: that is its error
	g.cmd = nil
	return nil
}

// Stop kills all that run.
func (s *Site) Stop() {
	for _, g := range s.Gateways {
		if g.cmd != nil {
			_ = g.Kill()
		}
	}
}

// Run runs a headgate command about the gateway and answers what it printed.
func (g *Gateway) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, g.headgate, append(args, "--data", g.Data)...)
	var text bytes.Buffer
	cmd.Stderr = &text
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("headgate %s: %w: %s", args[0], err, text.String())
	}
	return string(out), nil
}

// Status is what the proof wants to know of `headgate status`.
type Status struct {
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

// Status asks it how it is.
func (g *Gateway) Status(ctx context.Context) (st Status, err error) {
	out, err := g.Run(ctx, "status", "-o", "json")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal([]byte(out), &st)
}

// Await asks until it is so.
func (g *Gateway) Await(ctx context.Context, so func(Status) bool) error {
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		if st, err := g.Status(ctx); err == nil && so(st) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.New("the gateway did not get there in a minute")
}

// Leader is the gateway that leads.
func (s *Site) Leader(ctx context.Context) (*Gateway, error) {
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		for _, g := range s.Gateways {
			if g.cmd == nil {
				continue
			}
			if st, err := g.Status(ctx); err == nil && st.Log.Leading {
				return g, nil
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, errors.New("nobody leads")
}

// Settle waits until everything is drained and everybody has everything.
func (s *Site) Settle(ctx context.Context) error {
	for _, g := range s.Gateways {
		err := g.Await(ctx, func(st Status) bool {
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
