// Package mosquitto starts a Mosquitto for tests: the broker of others that
// simulated devices are held against.
package mosquitto

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Broker is a running Mosquitto that takes anonymous clients. It ends with the
// test.
type Broker struct {
	Addr string // host:port

	program, conf string
	process       *exec.Cmd
}

// Start starts one on a free port of loopback, with further lines of its
// configuration. Where Mosquitto is not installed the test is skipped, but not
// in continuous integration.
func Start(t testing.TB, lines ...string) *Broker {
	t.Helper()
	b := &Broker{program: "/usr/sbin/mosquitto", conf: filepath.Join(t.TempDir(), "mosquitto.conf")}
	if found, err := exec.LookPath("mosquitto"); err == nil {
		b.program = found
	} else if _, err := os.Stat(b.program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("mosquitto is not installed")
		}
		t.Skip("mosquitto is not installed")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.Addr = free.Addr().String()
	_ = free.Close() // nothing came
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type error\n%s\n",
		free.Addr().(*net.TCPAddr).Port, strings.Join(lines, "\n"))
	if err := os.WriteFile(b.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Restart(t)
	t.Cleanup(b.Kill)
	return b
}

// Restart starts it again after Kill.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.process = exec.Command(b.program, "-c", b.conf)
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); ; {
		if conn, err := net.Dial("tcp", b.Addr); err == nil {
			_ = conn.Close() // it listens
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("mosquitto does not listen")
		}
	}
}

// Kill ends it without a chance to say goodbye.
func (b *Broker) Kill() {
	_ = b.process.Process.Kill() // it may have ended
	_ = b.process.Wait()
}
