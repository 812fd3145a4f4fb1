package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// startTime is how long a server may take on a busy machine.
const startTime = 30 * time.Second

// Peer finds the program of a test peer in $HEADGATE_PEERS, by default
// ~/.cache/headgate/peers. Without it the test is skipped; under CI=true it
// fails.
func Peer(t testing.TB, name string) string {
	t.Helper()
	folder := os.Getenv("HEADGATE_PEERS")
	if folder == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		folder = filepath.Join(home, ".cache", "headgate", "peers")
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not built: see deploy/peers/%s/README.md", path, name)
		}
		t.Skipf("%s is not built: see deploy/peers/%s/README.md", path, name)
	}
	return path
}

// Program is a test peer to run.
type Program struct {
	Path  string
	Args  []string
	Env   []string // besides ours
	Ready string   // a URL that answers anything at all once it is there
}

// Start runs a peer until the test ends, and returns when it answers. What it
// says is printed should it not start.
func Start(t testing.TB, p Program) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, p.Path, p.Args...)
	command.Env = append(os.Environ(), p.Env...)
	said := &saying{}
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { cancel(); <-ended })
	if err := await(p.Ready, ended); err != nil {
		t.Fatalf("start %s: %v\n%s", filepath.Base(p.Path), err, said)
	}
}

// saying keeps what a program says.
type saying struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *saying) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *saying) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// FreeAddress is a loopback address that was free a moment ago.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await returns when the server answers anything at all.
func await(endpoint string, ended chan error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(startTime)
	for {
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("it ended: %w", err)
		case <-limit:
			return errors.New("it does not answer")
		case <-tick.C:
		}
		if r, err := http.Get(endpoint); err == nil {
			r.Body.Close()
			return nil
		}
	}
}
