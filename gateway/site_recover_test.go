package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/gateway"
)

// TestTheLastOfThreeGoesOnAlone loses two of three for good. The last one's
// spool can be exported; recovered, it takes writes at once, drains its spool,
// lets new gateways in, and the lost ones not.
func TestTheLastOfThreeGoesOnAlone(t *testing.T) {
	t.Parallel()
	s := grown(t, 3, "--spool-grace", "1s")
	leader, followers := s.leader()
	l := s.load("load", s.all...)
	l.atLeast(200)
	l.end()
	s.alike()
	last, lost := followers[0], []*box{leader, followers[1]}
	together(lost, (*box).kill)
	publish(t, last.device("lonely"), "alone", 30)
	refuses(t, last, "another gateway runs on", "recover", "--accept-loss")
	last.stop()

	if got := exported(t, last.does("spool", "export")); !slices.Equal(got, names("alone", 30)) {
		t.Errorf("the spool holds %d records: %v", len(got), got)
	}
	if out, code := last.headgate("recover"); code != 2 || !strings.Contains(out, "--accept-loss") {
		t.Errorf("recover without a word ended with %d: %s", code, out)
	}
	out := last.does("recover", "--accept-loss")
	if !strings.Contains(out, "is the only voter now") || !strings.Contains(out, "whatever the others stored behind entry") ||
		!strings.Contains(out, leader.name) || !strings.Contains(out, followers[1].name) {
		t.Errorf("recover says %s", out)
	}
	last.start()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	putOne(ctx, t, s.kinesis(last), "at once")
	drained(t, last)
	s.without(leader)
	s.without(followers[1])
	s.join(2)
	s.settled(3)
	seen := inOrder(t, s.alike(), nil)
	l.kept(seen)
	for _, data := range names("alone", 30) {
		if !seen[data] {
			t.Errorf("%s is lost", data)
		}
	}
	leader.start()
	saysRemoved(t, leader)
	if out := last.does("spool", "-o", "json"); !strings.Contains(out, `"rows": 0`) {
		t.Errorf("spool: %s", out)
	}
}

// exported is the data of the records that spool export printed.
func exported(t *testing.T, out string) (data []string) {
	t.Helper()
	for line := range bytes.Lines([]byte(out)) {
		var r gateway.SpoolRecord
		if err := json.Unmarshal(line, &r); err != nil || r.Stream != "telemetry" || r.Key != "lonely" || r.At.IsZero() {
			t.Fatalf("%s: %v", line, err)
		}
		data = append(data, string(r.Data))
	}
	return data
}
