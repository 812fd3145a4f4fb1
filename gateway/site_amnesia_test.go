package gateway_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestAGatewayThatLostItsLogComesBackAsAnother deletes a follower's store, and
// cuts another's write-ahead log, while they are down. Each comes back by
// itself under a new id and without a vote, the old id leaves, and it votes
// once it has caught up.
func TestAGatewayThatLostItsLogComesBackAsAnother(t *testing.T) {
	t.Parallel()
	s := grown(t, 3)
	leader, followers := s.leader()
	l := s.load("load", leader)
	l.atLeast(200)

	gone, cut := followers[0], followers[1]
	was := gone.name
	gone.kill()
	if err := os.RemoveAll(filepath.Join(gone.data, "pebble")); err != nil {
		t.Fatal(err)
	}
	gone.start()
	s.cameBack(gone, was)

	was = cut.name
	cut.kill()
	damageLog(t, cut)
	cut.start()
	s.cameBack(cut, was)
	if _, failed := l.soFar(); len(failed) > 0 {
		t.Errorf("%d writes failed meanwhile: %v", len(failed), failed[0])
	}
	l.end()
	l.kept(inOrder(t, s.alike(), nil))
	for _, b := range []*box{gone, cut} {
		b.does("verify")
		b.stop()
		now := b.name
		if b.start(); b.name != now {
			t.Errorf("it is somebody else again: %s, then %s", now, b.name)
		}
	}
	s.settled(3)
}

// TestASpoolOutlivesItsLog damages the log of an isolated gateway behind what
// is in its spool. The spool is drained under the gateway's new id.
func TestASpoolOutlivesItsLog(t *testing.T) {
	t.Parallel()
	s := grown(t, 3, "--spool-grace", "1s")
	lonely, others := s.all[2], s.all[:2]
	together(others, (*box).stop)
	device := lonely.device("lonely")
	publish(t, device, "kept", 40)
	for range 8 { // Pebble takes damage in the last 32 KiB for the end of its log
		publish(t, device, string(incompressible(16<<10)), 1)
	}
	was := lonely.name
	lonely.kill()
	data, err := os.ReadFile(newestLog(t, lonely))
	if err != nil {
		t.Fatal(err)
	}
	data[len(bytes.TrimRight(data, "\x00"))-80<<10] ^= 0x55
	if err := os.WriteFile(newestLog(t, lonely), data, 0o600); err != nil {
		t.Fatal(err)
	}
	lonely.start()
	together(others, (*box).start)
	s.cameBack(lonely, was)
	drained(t, lonely)
	var got []string
	for _, r := range lonely.tail() {
		if r.Key == "lonely" && len(got) < 40 {
			got = append(got, string(r.Data))
		}
	}
	if want := names("kept", 40); !slices.Equal(got, want) {
		t.Errorf("%d of 40 records are there: %.500v", len(got), got)
	}
}

func incompressible(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// cameBack waits until a gateway votes under a new id and its old one is gone.
// While the old one has the vote, the new one has none.
func (s *trio) cameBack(b *box, was string) {
	s.t.Helper()
	if b.name == was {
		s.t.Fatal("it kept its id")
	}
	until(s.t, 40*time.Second, "it votes under its new id", func() (string, bool) {
		roles := map[string]string{}
		for _, m := range s.up()[0].status().Site.Members {
			roles[m.ID] = m.Role
		}
		if roles[was] == "voter" && roles[b.name] == "voter" && len(roles) == 3 {
			s.t.Errorf("it votes under both ids: %v", roles)
		}
		_, there := roles[was]
		return s.all[0].does("peers"), !there && roles[b.name] == "voter"
	})
	s.settled(3)
}

// damageLog spoils the middle of the newest write-ahead log of a gateway.
func damageLog(t *testing.T, b *box) {
	t.Helper()
	spoil(t, newestLog(t, b))
}

func newestLog(t *testing.T, b *box) string {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(b.data, "pebble", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no log: %v", err)
	}
	return logs[len(logs)-1]
}

// spoil changes bytes in the middle of a file.
func spoil(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range min(16, len(data)/2) {
		data[len(data)/2+i] ^= 0x55
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
