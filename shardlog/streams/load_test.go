package streams

import (
	"testing"

	"headgate/shardlog"
)

// TestKeysThatTakeTurns are seen as what they are, however many there are.
func TestKeysThatTakeTurns(t *testing.T) {
	for _, keys := range []uint64{2, 16, 17, 32} {
		var l Load
		for i := range uint64(10_000) {
			l.note(100, shardlog.Hash{Lo: i % keys})
		}
		seen := map[shardlog.Hash]bool{}
		for _, h := range l.Sampled() {
			seen[h] = true
		}
		if l.Records != 10_000 || l.Bytes != 1_000_000 || len(l.Sampled()) != sampled || uint64(len(seen)) < min(keys, 8) {
			t.Errorf("of %d keys %d were seen in %d samples", keys, len(seen), len(l.Sampled()))
		}
	}
}
