package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// gateway is one gateway as a child process on loopback.
type gateway struct {
	headgate, data       string
	console, media, peer string
	id                   string
	cmd                  *exec.Cmd
}

func newGateway(headgate, dir, name string) (*gateway, error) {
	g := &gateway{headgate: headgate, data: filepath.Join(dir, name)}
	for _, at := range []*string{&g.console, &g.media, &g.peer} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*at = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// start starts the process and waits until it takes records.
func (g *gateway) start(ctx context.Context, code string) error {
	args := []string{"serve", "--open", "--data", g.data, "--api", "off", "--mqtt", "off", "--console", g.console, "--media", g.media,
		"--peer", g.peer, "--log-level", "error"}
	if code != "" {
		args = append(args, "--join", strings.TrimSpace(code))
	}
	g.cmd = exec.Command(g.headgate, args...)
	g.cmd.Stderr = os.Stderr
	if err := g.cmd.Start(); err != nil {
		return fmt.Errorf("start headgate: %w", err)
	}
	if err := g.await(ctx, func(st status) bool { return st.Health.Ready }); err != nil {
		return err
	}
	st, err := g.status(ctx)
	g.id = st.ID
	return err
}

// stop ends the gateway as a power cut ends a process: without a word.
func (g *gateway) stop() {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	_ = g.cmd.Wait()                          // it was killed: that is its error
	g.cmd = nil
}

func (g *gateway) url(door, camera string) string {
	return "http://" + g.console + "/" + door + "/" + camera
}

// run runs a headgate command about the gateway and answers what it printed.
func (g *gateway) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, g.headgate, append(args, "--data", g.data)...)
	var text bytes.Buffer
	cmd.Stderr = &text
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("headgate %s: %w: %s", strings.Join(args, " "), err, text.String())
	}
	return string(out), nil
}

// status is what the proof wants to know of `headgate status`.
type status struct {
	ID     string `json:"id"`
	Health struct {
		Ready bool `json:"ready"`
	} `json:"health"`
	Disk struct {
		Written uint64 `json:"written"`
	} `json:"disk"`
	Cameras []struct {
		Parts, Bytes, Lost uint64
		Waiting            int
		Live               bool `json:"live"`
	} `json:"cameras"`
	WebRTC struct {
		Lost uint64 `json:"lost_packets"`
	} `json:"webrtc"`
	Site struct {
		Leader string `json:"leader"`
		Voters int    `json:"voters"`
	} `json:"site"`
}

// media is how many bytes of footage were stored.
func (st status) media() (bytes uint64) {
	for _, c := range st.Cameras {
		bytes += c.Bytes
	}
	return bytes
}

func (st status) incomplete() (frames uint64) {
	for _, c := range st.Cameras {
		frames += c.Lost
	}
	return frames
}

func (g *gateway) status(ctx context.Context) (st status, err error) {
	out, err := g.run(ctx, "status", "-o", "json")
	if err != nil {
		return st, err
	}
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		return st, fmt.Errorf("read status: %w", err)
	}
	return st, nil
}

// patience is how long the gateway may take to come to anything.
const patience = 60 * time.Second

func (g *gateway) await(ctx context.Context, holds func(status) bool) error {
	late, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		st, err := g.status(late)
		if err == nil && holds(st) {
			return nil
		}
		if wait(late, 50*time.Millisecond) != nil {
			return fmt.Errorf("gateway on %s did not come to it: %+v, %w", g.data, st, err)
		}
	}
}

// settle waits until what has ended is in the log.
func (g *gateway) settle(ctx context.Context) error {
	return g.await(ctx, func(st status) bool {
		for _, c := range st.Cameras {
			if !c.Live && c.Waiting > 0 {
				return false
			}
		}
		return true
	})
}

// manifest is what the proof wants to know of a clip.
type manifest struct {
	SHA256    string         `json:"sha256"`
	Bytes     int64          `json:"bytes"`
	Frames    map[string]int `json:"frames"`
	LastFrame time.Time      `json:"last_frame"`
}

// clip asks for the manifest of a clip.
func (g *gateway) clip(ctx context.Context, camera string, from, to int64) (m manifest, err error) {
	file := filepath.Join(g.data, "..", "clip.json")
	defer os.Remove(file)
	if _, err := g.run(ctx, "camera", "export", camera, file, "--start", strconv.FormatInt(from, 10), "--end", strconv.FormatInt(to, 10)); err != nil {
		return m, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read manifest: %w", err)
	}
	return m, nil
}
