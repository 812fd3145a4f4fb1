package shardlog

import "time"

// JournalEntry is one entry of the consensus log. Entries whose Commands is
// set hold the wire form of commands (EncodeCommands); of the others the
// store knows nothing but the bytes.
type JournalEntry struct {
	Index, Term uint64
	Type        uint8 // the engine's own
	Commands    bool
	At          time.Time // when the leader appended it; for the engine's statistics
	Data        []byte
	Extensions  []byte
}

// Manifest describes a snapshot without its data: what a store holds once
// every command up to Applied has been applied.
type Manifest struct {
	Applied uint64
	Term    uint64
	Engine  []byte // the engine's own: its configuration
}
