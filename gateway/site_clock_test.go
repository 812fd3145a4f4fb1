package gateway_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const year = 365 * 24 * time.Hour

// TestAWrongClockDoesNotBecomeTime puts the wall clock of the leader a year
// ahead and a year back while its kernel vouches for it, then those of all. Stamps
// go on as before, nothing expires, and the others see how far it is off.
func TestAWrongClockDoesNotBecomeTime(t *testing.T) {
	t.Parallel()
	s := grown(t, 3)
	leader, followers := s.leader()
	began := time.Now()
	for _, b := range s.all {
		b.shiftClock(0)
	}
	l := s.load("load", leader)
	for _, shift := range []time.Duration{year, -year} {
		l.atLeast(30)
		leader.shiftClock(shift)
		l.atLeast(30)
		s.sees(followers[0], leader, shift)
	}
	for _, b := range s.all {
		b.shiftClock(year)
	}
	l.atLeast(30)
	until(t, 10*time.Second, "it does not believe it", func() (string, bool) {
		out := leader.does("clock")
		return out, strings.Contains(out, "stepped") && strings.Contains(out, "nothing expires by age")
	})
	l.atLeast(30)
	leader.shiftClock(0)
	followers[1].shiftClock(0) // so two agree, and the third is wrong
	if out := leader.does("clock", "trust"); !strings.Contains(out, "the clock is trusted") {
		t.Errorf("trust: %s", out)
	}
	until(t, 10*time.Second, "it believes it", func() (string, bool) {
		out := leader.does("clock")
		return out, strings.Contains(out, "synced") && strings.Contains(out, "records expire by age")
	})
	l.end()
	leader.stop() // whoever takes over, whatever its clock says
	next := s.load("next", s.up()...)
	next.atLeast(60)
	next.end()
	all := s.alike()
	for shard, records := range all {
		for _, r := range records {
			if r.Arrived.Before(began.Add(-time.Minute)) || r.Arrived.After(time.Now().Add(time.Minute)) {
				t.Fatalf("%s: %+v", shard, r)
			}
		}
	}
	seen := inOrder(t, all, nil)
	l.kept(seen)
	next.kept(seen)
}

// sees waits until a gateway finds the clock of another so far off its own.
func (s *trio) sees(b, other *box, off time.Duration) {
	s.t.Helper()
	until(s.t, 15*time.Second, "it sees the other's clock", func() (string, bool) {
		for _, m := range b.status().Site.Members {
			if m.ID == other.name && (m.Offset-off).Abs() < time.Minute {
				return "", true
			}
		}
		return b.does("peers"), false
	})
}

// shiftClock pretends that the box's wall clock is off, and that its kernel
// says that it is right.
func (b *box) shiftClock(by time.Duration) {
	b.t.Helper()
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(b.data, "admin.sock"))
	}}}
	body := bytes.NewReader([]byte(`{"offset":"` + by.String() + `","synced":true}`))
	q, err := http.NewRequest(http.MethodPut, "http://gateway/debug/clock", body)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := c.Do(q)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.t.Fatalf("shift clock: %+v, %v", answer, err)
	}
	answer.Body.Close()
	c.CloseIdleConnections()
}
