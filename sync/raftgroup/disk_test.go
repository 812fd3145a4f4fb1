package raftgroup_test

import (
	"context"
	"sync/atomic"
	"testing"

	"headgate/shardlog/store"
)

// disk is the real store on a disk that remembers what was synced.
type disk struct {
	*store.Store
	*store.Journal
	t    *testing.T
	tail *atomic.Int64 // tails that were cut
}

func newDisk(t *testing.T) *disk { return openDisk(t, store.NewCrashableDisk()) }

func openDisk(t *testing.T, d *store.Disk) *disk {
	t.Helper()
	s, err := store.Open("data", store.Options{
		Disk: d, Memtable: 1 << 20, Log: silent(), Fatal: func(err error) { panic(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &disk{Store: s, Journal: s.Journal(), t: t, tail: new(atomic.Int64)}
}

// again is the store after a power cut: what was synced, and half of the rest.
func (d *disk) again() ground { return openDisk(d.t, d.Disk().Crash(50, 1)) }

func (d *disk) DropTail(from uint64) error {
	d.tail.Add(1)
	return d.Journal.DropTail(from)
}

func (d *disk) cuts() int { return int(d.tail.Load()) }

func (d *disk) list() []string {
	var keys []string
	for key := range d.List(context.Background(), "test", "") {
		keys = append(keys, key)
	}
	return keys
}
