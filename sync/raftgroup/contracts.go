package raftgroup

import "headgate/shardlog"

// Journal is the consensus log as a store keeps it. Indexes are contiguous.
// Calls may come from several goroutines, but only one of them writes.
type Journal interface {
	// First is the index of the oldest entry, zero when there is none.
	First() uint64
	// Last is the index of the newest entry, zero when there is none.
	Last() uint64
	// Entry reads one entry. The caller may keep its bytes. Kind NotFound.
	Entry(index uint64) (shardlog.JournalEntry, error)
	// Append adds entries behind Last; in an empty journal they may begin
	// anywhere. They are durable when it returns. It borrows their bytes until then.
	Append(entries []shardlog.JournalEntry) error
	// DropHead forgets the entries up to an index, that one included. What
	// has been applied of them stays.
	DropHead(through uint64) error
	// DropTail removes the entries from an index on and what they hold: they
	// lost to another leader's and were never applied.
	DropTail(from uint64) error
}

// Locals is small durable state that is this gateway's own.
type Locals interface {
	// SetLocal is durable when it returns.
	SetLocal(key string, value []byte) error
	// Local reads a value. Kind NotFound.
	Local(key string) ([]byte, error)
}

// Snapshots keeps the newest manifest.
type Snapshots interface {
	// SaveManifest replaces the manifest, durably, after making durable
	// everything that the machine has applied.
	SaveManifest(m shardlog.Manifest) error
	// LoadManifest reads it; false when there is none.
	LoadManifest() (shardlog.Manifest, bool, error)
}
