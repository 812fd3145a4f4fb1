package gateway_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestADeliverySurvivesItsLeader kills the leader while it delivers into a
// folder that all gateways share. The next one goes on where it was: what was
// acknowledged is in the folder, and nothing twice.
func TestADeliverySurvivesItsLeader(t *testing.T) {
	t.Parallel()
	folder, file := t.TempDir(), filepath.Join(t.TempDir(), "config.yaml")
	config := fmt.Sprintf("deliveries:\n  - {name: out, stream: telemetry, interval: 1s, delimiter: newline, local: {folder: %q}}\n", folder)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := grown(t, 3, "--config", file)
	leader, followers := s.leader()
	l := s.load("load", followers...)
	until(t, 20*time.Second, "something is delivered", func() (string, bool) {
		n := len(objectsIn(t, folder))
		return fmt.Sprint(n, " records"), n > 0
	})
	leader.kill()
	l.atLeast(200)
	l.end()
	acked, _ := l.soFar()
	until(t, 30*time.Second, "all is delivered", func() (string, bool) {
		there := objectsIn(t, folder)
		missing := 0
		for _, data := range acked {
			if there[data] == 0 {
				missing++
			}
		}
		return fmt.Sprintf("%d of %d records are missing", missing, len(acked)), missing == 0
	})
	for data, times := range objectsIn(t, folder) {
		if times > 1 {
			t.Errorf("%q was delivered %d times", data, times)
		}
	}
}

// objectsIn counts the records in the objects of a folder.
func objectsIn(t *testing.T, folder string) map[string]int {
	t.Helper()
	objects, err := filepath.Glob(filepath.Join(folder, "*", "*", "*", "*", "out-1-*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for _, name := range objects {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		zip, err := gzip.NewReader(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lines := bufio.NewScanner(zip)
		for lines.Scan() {
			if data := strings.TrimSpace(lines.Text()); data != "" {
				all[data]++
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.Close()
	}
	return all
}
