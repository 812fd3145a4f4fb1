package raftgroup_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/sync/raftgroup"
)

func alone(m *memory) raftgroup.Config {
	return raftgroup.Config{ID: "a", Machine: m, Journal: m, Locals: m, Snapshots: m, Log: silent()}
}

// silent keeps elections and cut wires, which these tests make on purpose, out of their output.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// running is a group whose Run is on its way.
type running struct {
	*raftgroup.Group
	stop func() error // ends Run and answers what it returned
}

func run(t *testing.T, c raftgroup.Config) running {
	t.Helper()
	g, err := raftgroup.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return running{g, stop}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func set(key string) shardlog.Command { return setTo(key, 1) }

func setTo(key string, size int) shardlog.Command {
	return shardlog.Mutate{Mutations: []shardlog.Mutation{{Space: "test", Key: key, Value: make([]byte, size)}}}
}

// propose proposes the keys from as many goroutines and returns when all are acknowledged.
func propose(t *testing.T, g *raftgroup.Group, prefix string, n int) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if _, err := g.Propose(ctx, set(fmt.Sprintf("%s%d", prefix, i))); err != nil {
				t.Errorf("propose: %v", err)
			}
		})
	}
	all.Wait()
}

// wantEach fails unless each key with the prefix was applied exactly once.
func wantEach(t *testing.T, keys []string, prefix string, n int) {
	t.Helper()
	seen := map[string]int{}
	for _, k := range keys {
		seen[k]++
	}
	for i := range n {
		if k := fmt.Sprintf("%s%d", prefix, i); seen[k] != 1 {
			t.Errorf("%s applied %d times", k, seen[k])
		}
	}
}

func TestConcurrentProposalsShareEntries(t *testing.T) {
	m := newMemory()
	g := run(t, alone(m))
	propose(t, g.Group, "k", 100)
	wantEach(t, m.list(), "k", 100)
	if s := g.Stats(); s.Commands != 100 || s.Entries > 50 || !s.Leading || s.Leader != "a" || s.Voters != 1 || s.Applied == 0 {
		t.Errorf("stats %+v", s)
	}
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestLoneVoterLeadsAtOnce(t *testing.T) {
	g := run(t, alone(newMemory()))
	start := time.Now()
	if err := g.Await(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	m := newMemory()
	for round := range 4 {
		g := run(t, alone(m))
		propose(t, g.Group, fmt.Sprintf("r%d-", round), 20)
		if err := g.stop(); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 4 {
		wantEach(t, m.list(), fmt.Sprintf("r%d-", round), 20)
	}
	if m.replayed != 0 {
		t.Errorf("%d entries replayed after clean stops", m.replayed)
	}
}

func TestLostStateIsReplayedFromTheJournal(t *testing.T) {
	m := newMemory()
	g := run(t, alone(m))
	propose(t, g.Group, "k", 50)
	m.mu.Lock()
	crashed := newMemory() // the journal is durable, what was applied is not
	crashed.first, crashed.locals = m.first, map[string][]byte{}
	crashed.entries = append(crashed.entries, m.entries...)
	for k, v := range m.locals {
		crashed.locals[k] = v
	}
	m.mu.Unlock()
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	again := run(t, alone(crashed))
	if err := again.Await(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	wantEach(t, crashed.list(), "k", 50)
}

func TestSnapshotsByWeightBoundReplayAndJournal(t *testing.T) {
	m := newMemory()
	c := alone(m)
	c.SnapshotBytes = 256 << 10
	g := run(t, c)
	ctx := within(t, 20*time.Second)
	for i := range 200 {
		if _, err := g.Propose(ctx, setTo(fmt.Sprintf("k%d", i), 10<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if s := g.Stats(); s.Snapshots < 3 || s.First < 50 {
		t.Errorf("stats %+v", s)
	}
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	again := run(t, c)
	if err := again.Await(ctx); err != nil {
		t.Fatal(err)
	}
	wantEach(t, m.list(), "k", 200)
	if m.replayed > 0 {
		t.Errorf("%d entries replayed", m.replayed)
	}
}

func TestManifestBeyondTheMachineIsRefused(t *testing.T) {
	m := newMemory()
	g := run(t, alone(m))
	propose(t, g.Group, "k", 5)
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	m.applied = 0
	again, err := raftgroup.Open(alone(m))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Run(within(t, 5*time.Second)); err == nil {
		t.Fatal("ran over a hole")
	}
}

func TestCancelledProposals(t *testing.T) {
	m := newMemory()
	m.gate = make(chan struct{})
	g, err := raftgroup.Open(alone(m))
	if err != nil {
		t.Fatal(err)
	}
	early, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.Propose(early, set("never")); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("before Run: %v", err)
	}

	r := run(t, alone(m))
	if err := r.Await(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	taken, cancelTaken := context.WithCancel(context.Background())
	answers := make(chan error, 1)
	go func() {
		_, err := r.Propose(taken, set("taken"))
		answers <- err
	}()
	eventually(t, func() bool { return !r.Stats().InFlightSince.IsZero() })
	waiting, cancelWaiting := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancelWaiting()
	if _, err := r.Propose(waiting, set("waiting")); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("not taken: %v", err)
	}
	cancelTaken()
	if err := <-answers; shardlog.KindOf(err) != shardlog.Unknown {
		t.Errorf("taken: %v", err)
	}
	close(m.gate)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if keys := m.list(); len(keys) != 1 || keys[0] != "taken" {
		t.Errorf("applied %v", keys)
	}
	if _, err := r.Propose(context.Background(), set("late")); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("after Run: %v", err)
	}
}

func TestFailedJournalEndsTheGroup(t *testing.T) {
	m := newMemory()
	c := alone(m)
	fatal := make(chan error, 2)
	c.Fatal = func(err error) { fatal <- err }
	g := run(t, c)
	propose(t, g.Group, "k", 3)
	m.mu.Lock()
	m.broken = true
	m.mu.Unlock()
	if _, err := g.Propose(within(t, 5*time.Second), set("lost")); shardlog.KindOf(err) != shardlog.Unknown {
		t.Errorf("propose: %v", err)
	}
	if err := <-fatal; err == nil || len(fatal) != 0 {
		t.Errorf("fatal %v, %d more", err, len(fatal))
	}
	if _, err := g.Propose(within(t, 5*time.Second), set("later")); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("propose later: %v", err)
	}
	if err := g.stop(); err == nil {
		t.Error("Run ended without an error")
	}
	if keys := m.list(); len(keys) != 3 {
		t.Errorf("applied %v", keys)
	}
}

func TestDutyRunsWhileLeading(t *testing.T) {
	g := run(t, alone(newMemory()))
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- g.Lead(ctx, func(ctx context.Context) error {
			close(started)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-started
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("lead: %v", err)
	}
	own := errors.New("own")
	if err := g.Lead(context.Background(), func(context.Context) error { return own }); !errors.Is(err, own) {
		t.Errorf("lead: %v", err)
	}
}

// eventually polls a condition.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(15 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("did not happen in time")
		}
	}
}
