package streams

import (
	"testing"

	"headgate/shardlog"
)

// TestKeysThatTakeTurns are seen as what they are, however many there are.
func TestKeysThatTakeTurns(t *testing.T) {
	for _, keys := range []uint64{2, 16, 17, 32} {
		var l load
		for i := range uint64(10_000) {
			l.note(shardlog.Hash{Lo: i % keys}, 100)
		}
		seen := map[shardlog.Hash]bool{}
		for _, place := range l.sample {
			seen[place.Hash] = true
		}
		if l.records != 10_000 || l.bytes != 1_000_000 || uint64(len(seen)) < min(keys, 5) {
			t.Errorf("of %d keys %d were seen in %d samples of %d records, %d bytes", keys, len(seen), sampled, l.records, l.bytes)
		}
	}
}
