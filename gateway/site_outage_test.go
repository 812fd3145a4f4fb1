package gateway_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/gateway"
)

// TestAnOutageOnPurposeAddsUp cuts a follower off, then the leader, while
// devices and applications write, and compares the report with what is there.
func TestAnOutageOnPurposeAddsUp(t *testing.T) {
	t.Parallel()
	s := grown(t, 3, "--spool-grace", "1s")
	leader, followers := s.leader()
	for name, b := range map[string]*box{"follower": followers[0], "leader": leader} {
		l := s.load(name, s.all...)
		l.atLeast(50)
		var r gateway.OutageReport
		if out := b.does("simulate-outage", "--peers", "--for", "3s", "-o", "json"); json.Unmarshal([]byte(out), &r) != nil {
			t.Fatalf("%s: %s", name, out)
		}
		l.end()
		if !r.Whole || r.Spooled == 0 || r.Spooled != r.Drained || r.Left+r.Dropped+r.Orphans != 0 || r.Acknowledged < r.Spooled || r.Lasted < 3*time.Second {
			t.Errorf("%s: %+v", name, r)
		}
		t.Logf("%s: %+v", name, r)
		if last, failed := l.soFar(); len(last) < 100 {
			t.Errorf("%s: %d acknowledged, %d failed", name, len(last), len(failed))
		}
		s.settled(3)
		l.kept(inOrder(t, s.alike(), nil))
	}

	out := s.all[0].does("simulate-outage", "--peers", "--for", "1s")
	if !strings.Contains(out, "nothing was lost") || !strings.Contains(out, "cut                     peers for 1s") {
		t.Errorf("the report says %s", out)
	}
	mendsAtOnce(t, s.all[0])
}

// mendsAtOnce breaks an outage off as Ctrl-C does.
func mendsAtOnce(t *testing.T, b *box) {
	t.Helper()
	folder, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cut := exec.Command(filepath.Join(folder, "headgate"), "simulate-outage", "--peers", "--for", "10m", "--data", b.data)
	if err := cut.Start(); err != nil {
		t.Fatal(err)
	}
	severed := func(want bool) func() (string, bool) {
		return func() (string, bool) { return "", b.status().Site.Severed == want }
	}
	until(t, 10*time.Second, "it is cut", severed(true))
	refuses(t, b, "another one is under way", "simulate-outage", "--peers", "--for", "1s")
	if out := b.does("status"); !strings.Contains(out, "! cut off from the peers on purpose") {
		t.Errorf("status: %s", out)
	}
	if err := cut.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	until(t, 2*time.Second, "it is mended", severed(false))
	_ = cut.Wait() // it was interrupted
	if code := cut.ProcessState.ExitCode(); code != 1 {
		t.Errorf("an outage that was broken off ended with %d", code)
	}
}
