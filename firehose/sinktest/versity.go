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
	"testing"
	"time"
)

// Versity is a running versitygw: an S3 server that is not ours.
type Versity struct {
	Endpoint  string
	AccessKey string
	SecretKey string
	Data      string // its folder; a folder below it is a bucket
}

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

// StartVersity starts a server on a loopback port, without buckets. It ends
// with the test.
func StartVersity(t testing.TB) *Versity {
	t.Helper()
	program, address := Peer(t, "versitygw"), freeAddress(t)
	v := &Versity{Endpoint: "http://" + address, AccessKey: "headgate-test", SecretKey: "not-a-secret", Data: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "--port", address, "--region", "us-east-1", "posix", "--sidecar", t.TempDir(), v.Data)
	command.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+v.AccessKey, "ROOT_SECRET_KEY="+v.SecretKey)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { cancel(); <-ended })
	if err := await(v.Endpoint, ended); err != nil {
		cancel()
		ended <- <-ended
		t.Fatalf("start versitygw: %v\n%s", err, said.String())
	}
	return v
}

// freeAddress is a loopback address that was free a moment ago.
func freeAddress(t testing.TB) string {
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
