package raftgroup

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"headgate/shardlog"
)

// ledger is a journal and a machine that only note what is asked of them.
type ledger struct {
	first, last, applied uint64
	asked                []string
}

func (l *ledger) First() uint64 { return l.first }
func (l *ledger) Last() uint64  { return l.last }
func (l *ledger) Entry(index uint64) (shardlog.JournalEntry, error) {
	return shardlog.JournalEntry{}, shardlog.Errorf(shardlog.NotFound, "read entry", "%d", index)
}
func (l *ledger) Append([]shardlog.JournalEntry) error { return nil }
func (l *ledger) DropHead(through uint64) error {
	l.asked = append(l.asked, fmt.Sprint("head ", through))
	return nil
}
func (l *ledger) DropTail(from uint64) error {
	l.asked = append(l.asked, fmt.Sprint("tail ", from))
	return nil
}
func (l *ledger) Apply(uint64, []shardlog.Command) ([]shardlog.Outcome, error) { return nil, nil }
func (l *ledger) Applied() uint64                                              { return l.applied }

func TestDeleteRangeTellsCompactionFromConflict(t *testing.T) {
	for _, c := range []struct {
		name                 string
		first, last, applied uint64
		low, high            uint64
		want                 []string
		fails                bool
	}{
		{"compaction", 5, 20, 20, 5, 10, []string{"head 10"}, false},
		{"compaction of all", 5, 20, 20, 5, 20, []string{"head 20"}, false},
		{"compaction up to an entry of the engine's own", 5, 20, 9, 5, 10, []string{"head 10"}, false},
		{"conflict", 5, 20, 14, 15, 20, []string{"tail 15"}, false},
		{"conflict from the first entry", 5, 20, 4, 5, 20, []string{"tail 5"}, false},
		{"all, with a tail that was not applied", 5, 20, 14, 5, 20, []string{"tail 15", "head 14"}, false},
		{"a conflict with what is applied", 5, 20, 16, 15, 20, nil, true},
		{"a hole", 5, 20, 20, 8, 10, nil, true},
		{"nothing there", 0, 0, 7, 1, 7, nil, false},
		{"before the log", 5, 20, 20, 1, 4, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := &ledger{first: c.first, last: c.last, applied: c.applied}
			var fatal error
			l := &logStore{writing: make(chan struct{}, 1), journal: j, machine: j, fail: func(err error) { fatal = err }}
			err := l.DeleteRange(c.low, c.high)
			if !slices.Equal(j.asked, c.want) || (err != nil) != c.fails || (fatal != nil) != c.fails {
				t.Errorf("asked %v, want %v; error %v, fatal %v", j.asked, c.want, err, fatal)
			}
		})
	}
}

func TestRecentEntriesStayWithinTheirBytes(t *testing.T) {
	j := &ledger{}
	l := &logStore{writing: make(chan struct{}, 1), journal: j, machine: j, peers: true}
	for i := range uint64(40) {
		if err := l.StoreLog(&raft.Log{Index: i + 1, Data: make([]byte, 1<<20)}); err != nil {
			t.Fatal(err)
		}
	}
	var out raft.Log
	if err := l.GetLog(40, &out); err != nil || out.Index != 40 {
		t.Errorf("newest: %d, %v", out.Index, err)
	}
	if err := l.GetLog(35, &out); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("older: %v", err)
	}
	if l.held > recentBytes {
		t.Errorf("%d bytes held", l.held)
	}
}

func TestManifestsSurviveAndDamageIsCorrupt(t *testing.T) {
	meta := raft.SnapshotMeta{Index: 300, Term: 7, ConfigurationIndex: 2, Configuration: raft.Configuration{
		Servers: []raft.Server{{Suffrage: raft.Voter, ID: "a", Address: "127.0.0.1:7400"}},
	}}
	m := shardlog.Manifest{Applied: 299, Term: 7, Engine: encodeMeta(meta)}
	got, err := decodeMeta(m)
	if err != nil || got.Index != 300 || got.ConfigurationIndex != 2 || got.Configuration.Servers[0] != meta.Configuration.Servers[0] {
		t.Fatalf("got %+v: %v", got, err)
	}
	for cut := range len(m.Engine) {
		if _, err := decodeMeta(shardlog.Manifest{Engine: m.Engine[:cut]}); shardlog.KindOf(err) != shardlog.Corrupt {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestHollowEntriesAreNeitherTakenNorApplied(t *testing.T) {
	j := &ledger{applied: 7}
	var fatal error
	fail := func(err error) { fatal = err }
	l := &logStore{writing: make(chan struct{}, 1), journal: j, machine: j, fail: fail}
	if err := l.StoreLog(&raft.Log{Index: 8, Type: raft.LogCommand}); shardlog.KindOf(err) != shardlog.Unavailable || fatal != nil {
		t.Errorf("store: %v, fatal %v", err, fatal)
	}
	f := &fsm{machine: j, every: 1, fail: fail, broken: func() bool { return fatal != nil }, ripe: make(chan struct{}, 1)}
	if err, bad := f.Apply(&raft.Log{Index: 7, Type: raft.LogCommand}).(error); bad {
		t.Errorf("apply again: %v", err)
	}
	if err, bad := f.Apply(&raft.Log{Index: 8, Type: raft.LogCommand}).(error); !bad || shardlog.KindOf(err) != shardlog.Corrupt || fatal == nil {
		t.Errorf("apply: %v, fatal %v", err, fatal)
	}
}

func TestNothingIsAppendedDuringAPull(t *testing.T) {
	l := &logStore{writing: make(chan struct{}, 1), journal: &ledger{}}
	log := &raft.Log{Index: 1, Data: []byte{1}}
	l.pull(true)
	if err := l.StoreLog(log); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("store: %v", err)
	}
	l.pull(false)
	if err := l.StoreLog(log); err != nil {
		t.Errorf("store: %v", err)
	}
}

func TestRecentEntriesEndWithAPull(t *testing.T) {
	l := &logStore{writing: make(chan struct{}, 1), journal: &ledger{}, peers: true}
	for i := range uint64(3) {
		if err := l.StoreLog(&raft.Log{Index: i + 1, Term: 2, Data: []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	l.pull(true) // which drops the tail and brings other entries in its place
	l.pull(false)
	if err := l.StoreLog(&raft.Log{Index: 4, Term: 3, Data: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	var out raft.Log
	if err := l.GetLog(3, &out); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("entry 3 of term %d is still handed out: %v", out.Term, err)
	}
}

func TestSnapshotsLastEntryCanBeCompared(t *testing.T) {
	l := &logStore{writing: make(chan struct{}, 1), journal: &ledger{}}
	var out raft.Log
	if err := l.GetLog(5, &out); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("without a snapshot: %v", err)
	}
	l.covered(5, 3)
	if err := l.GetLog(5, &out); err != nil || out.Index != 5 || out.Term != 3 || !hollow(&out) {
		t.Errorf("%+v: %v", out, err)
	}
	if err := l.GetLog(4, &out); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("before it: %v", err)
	}
}

func TestEngineIsRenewedWhenTheTailIsCutForNothing(t *testing.T) {
	renewed := 0
	j := &ledger{first: 5, last: 20, applied: 14}
	l := &logStore{writing: make(chan struct{}, 1), journal: j, machine: j, renew: func() { renewed++ }}
	hollow := &raft.Log{Index: 18, Type: raft.LogCommand}
	_ = l.StoreLog(hollow)
	if renewed != 0 {
		t.Error("renewed though nothing was cut")
	}
	for _, whole := range []bool{true, false} {
		if err := l.DeleteRange(18, 20); err != nil {
			t.Fatal(err)
		}
		if whole {
			if err := l.StoreLog(&raft.Log{Index: 18, Data: []byte{1}}); err != nil {
				t.Fatal(err)
			}
		}
		if _ = l.StoreLog(hollow); (renewed != 0) == whole {
			t.Errorf("renewed %d times, other entries stored: %v", renewed, whole)
		}
	}
}
