package raftgroup

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// shelf is a ledger with terms and durable values.
type shelf struct {
	ledger
	term   uint64
	values map[string][]byte
	newest *shardlog.Manifest
}

func (s *shelf) Entry(index uint64) (shardlog.JournalEntry, error) {
	return shardlog.JournalEntry{Index: index, Term: s.term}, nil
}

func (s *shelf) SetLocal(key string, value []byte) error {
	s.values[key] = value
	return nil
}

func (s *shelf) Local(key string) ([]byte, error) {
	if v, ok := s.values[key]; ok {
		return v, nil
	}
	return nil, shardlog.Errorf(shardlog.NotFound, "read", "%s", key)
}

func (s *shelf) SaveManifest(m shardlog.Manifest) error {
	s.newest = &m
	return nil
}

func (s *shelf) LoadManifest() (shardlog.Manifest, bool, error) {
	if s.newest == nil {
		return shardlog.Manifest{}, false, nil
	}
	return *s.newest, true, nil
}

func manifestAt(index, term, applied uint64) shardlog.Manifest {
	return shardlog.Manifest{Applied: applied, Term: term, Engine: encodeMeta(raft.SnapshotMeta{
		Index: index, Term: term, Configuration: raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "x"}}},
	})}
}

func TestLeadersSnapshotIsTakenRefusedOrStartsOver(t *testing.T) {
	const index, term, applied = 50, 3, 49
	for _, c := range []struct {
		name              string
		last, at, covered uint64
		lastTerm          uint64
		want              string
	}{
		{"empty", 0, 0, 0, 0, "pull"},
		{"behind, all of it applied", 20, 20, 10, 2, "over"},
		{"behind, without a log", 0, 20, 20, 0, "pull"},
		{"behind, with a tail", 20, 15, 10, 2, "over"},
		{"a tail beyond the snapshot", 60, 15, 10, 2, "over"},
		{"the machine is there, a tail beyond", 60, 49, 10, 2, "over"},
		{"the machine is there, a tail before", 45, 49, 10, 2, "take"},
		{"ends at it", 50, 49, 10, 3, "take"},
		{"ends at it with another entry", 50, 49, 10, 2, "over"},
		{"ahead", 60, 60, 10, 3, "refuse"},
		{"its own snapshot is newer", 70, 60, 60, 3, "refuse"},
		{"after a pull, without a log", 0, 55, 40, 0, "take"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &shelf{ledger: ledger{first: min(c.last, 1), last: c.last, applied: c.at}, term: c.lastTerm, values: map[string][]byte{}}
			logs := &logStore{writing: make(chan struct{}, 1), journal: s, machine: s}
			logs.covered(c.covered, 1)
			p := newPuller(Config{Machine: s, Journal: s, Locals: s, Snapshots: s}, logs)
			p.reach = nil // so that a pull is refused at once
			err := p.accept(manifestAt(index, term, applied), index)
			if c.want == "over" {
				s.values[localPull] = nil
				p.reach = noReach
				err = p.accept(manifestAt(index, term, applied), index)
			}
			got := "take"
			switch {
			case errors.Is(err, errTail):
				got = "over"
			case err != nil && c.at < applied:
				got = "pull"
			case err != nil:
				got = "refuse"
			}
			if _, marked, _ := p.marked(); got != c.want || marked != (c.want == "over") || logs.pulling != marked {
				t.Errorf("%s, want %s; marked %v, closed %v: %v", got, c.want, marked, logs.pulling, err)
			}
		})
	}
}

func TestStartingOverCutsNothingThatWasAgreedOn(t *testing.T) {
	for _, c := range []struct {
		name     string
		last, at uint64
		own      uint64 // index of its own manifest
		cut      []string
		adopted  bool
	}{
		{"the tail goes, the manifest comes", 20, 15, 10, []string{"tail 16"}, true},
		{"the machine has got there", 60, 55, 10, []string{"tail 56"}, true},
		{"all is applied", 20, 20, 10, nil, true},
		{"its own manifest is newer", 70, 60, 65, []string{"tail 61"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &shelf{ledger: ledger{first: 1, last: c.last, applied: c.at}, values: map[string][]byte{}}
			if c.own > 0 {
				m := manifestAt(c.own, 2, min(c.own, c.at))
				s.newest = &m
			}
			m := manifestAt(50, 3, 49)
			s.values[localPull], _ = json.Marshal(m)
			p := newPuller(Config{Machine: s, Journal: s, Locals: s, Snapshots: s}, &logStore{writing: make(chan struct{}, 1), journal: s, machine: s})
			p.reach = func(_ context.Context, to uint64) error {
				s.applied = max(s.applied, to)
				return nil
			}
			if err := p.settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, marked, _ := p.marked()
			if adopted := s.newest.Applied == 49; adopted != c.adopted || marked || !slices.Equal(s.asked, c.cut) {
				t.Errorf("adopted %v, marked %v, asked %v, want %v", adopted, marked, s.asked, c.cut)
			}
		})
	}
}

func noReach(context.Context, uint64) error { return errors.New("nobody") }
