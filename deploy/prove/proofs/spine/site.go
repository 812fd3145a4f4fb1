package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"headgate/firmware-sim/fleet"
)

// site is a gateway as a child process, with an S3 server beside it.
type site struct {
	o                  options
	dir                string
	api, mqtt, console string
	s3                 string // address, "" without
	gateway, server    *exec.Cmd
}

const (
	s3Key    = "proof"
	s3Secret = "proof-of-the-spine"
	bucket   = "spine"
)

func newSite(dir string, o options) (*site, error) {
	s := &site{o: o, dir: dir}
	for _, at := range []*string{&s.api, &s.mqtt, &s.console, &s.s3} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*at = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	if !o.s3 {
		s.s3 = ""
	}
	return s, os.WriteFile(s.path("config.yaml"), []byte(s.config()), 0o600)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }
func (s *site) oracle() string          { return s.path("oracle") }

func (s *site) config() string {
	text := fmt.Sprintf(`data: %s
api: %s
mqtt: %s
console: %s
open: true
log: {level: error, format: text}
deliveries:
  - name: folder
    stream: telemetry
    interval: 2s
    local: {folder: %s}
`, s.path("data"), s.api, s.mqtt, s.console, s.path("delivered"))
	if s.s3 != "" {
		text += fmt.Sprintf(`  - name: s3
    stream: telemetry
    interval: 2s
    compression: zstd
    s3: {bucket: %s, endpoint: "http://%s", path_style: true, access_key: {env: PROOF_KEY}, secret_key: {env: PROOF_SECRET}}
`, bucket, s.s3)
	}
	return text
}

// begin starts the S3 server and the gateway.
func (s *site) begin(ctx context.Context) error {
	if s.s3 != "" {
		if err := os.MkdirAll(filepath.Join(s.path("buckets"), bucket), 0o755); err != nil {
			return err
		}
		if err := os.MkdirAll(s.path("meta"), 0o755); err != nil {
			return err
		}
		s.server = exec.Command(versitygw(), "--port", s.s3, "--region", "us-east-1", "--quiet", "posix", "--sidecar", s.path("meta"), s.path("buckets"))
		s.server.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s3Key, "ROOT_SECRET_KEY="+s3Secret)
		if err := s.server.Start(); err != nil {
			return fmt.Errorf("start versitygw: %w", err)
		}
	}
	return s.start(ctx)
}

// start starts the gateway and waits until it takes records.
func (s *site) start(ctx context.Context) error {
	s.gateway = exec.Command(s.o.headgate, "serve", "--config", s.path("config.yaml"))
	s.gateway.Env = append(os.Environ(), "PROOF_KEY="+s3Key, "PROOF_SECRET="+s3Secret)
	s.gateway.Stderr = os.Stderr
	out, err := s.gateway.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.gateway.Start(); err != nil {
		return fmt.Errorf("start headgate: %w", err)
	}
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.TrimSpace(lines.Text()) == "ready" {
				ready <- true
			}
		}
		_, _ = io.Copy(io.Discard, out)
		ready <- false
	}()
	select {
	case ok := <-ready:
		if !ok {
			return errors.New("headgate ended before it was ready")
		}
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("headgate was not ready after 30 s")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kill ends the gateway as a power cut ends a process: without a word.
func (s *site) kill() error {
	if err := s.gateway.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = s.gateway.Wait() // it was killed: that is its error
	return nil
}

func (s *site) stop() {
	for _, c := range []*exec.Cmd{s.gateway, s.server} {
		if c != nil && c.Process != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
}

// killEvery is about how long the gateway lives, its start included: the fleet
// spreads its messages over all its lives.
const killEvery = 1800 * time.Millisecond

// publish runs the fleet until everything is acknowledged, and kills the
// gateway meanwhile.
func (s *site) publish(ctx context.Context, o options) (kills int, err error) {
	f, err := fleet.New(fleet.Config{
		Broker: s.mqtt, Devices: o.devices, Messages: o.messages, QoS: []byte{1, 1, 2}, Oracle: s.oracle(), Ramp: 1500,
		Rate: float64(o.messages) / (float64(o.kills+1) * killEvery.Seconds()), State: s.path("devices"), Ring: 8 << 20,
		BackoffMax: 2 * time.Second, KeepAlive: time.Minute,
	})
	if err != nil {
		return 0, err
	}
	limit, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Run(limit) }()
	for kills < o.kills {
		select {
		case err := <-done:
			return kills, err
		case <-time.After(time.Duration(300+rand.IntN(1500)) * time.Millisecond):
		}
		if err := s.kill(); err != nil {
			return kills, fmt.Errorf("kill: %w", err)
		}
		kills++
		if err := s.start(ctx); err != nil {
			return kills, fmt.Errorf("start after kill %d: %w", kills, err)
		}
	}
	if err := <-done; err != nil {
		return kills, fmt.Errorf("fleet: %w", err)
	}
	return kills, nil
}

// metrics is a look at the gateway's metrics.
func (s *site) metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.console+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
