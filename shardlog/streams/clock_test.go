package streams_test

import (
	"testing"
	"time"

	"headgate/shardlog/block"
	"headgate/shardlog/streams"
)

// TestPeersVouchForAClock asks a clock that lies two minutes, or a year, from
// its peers.
func TestPeersVouchForAClock(t *testing.T) {
	for _, c := range []struct {
		name   string
		synced bool
		ahead  time.Duration
		peers  int
		mark   block.Clock
	}{
		{"alone, no time server", false, 0, 0, block.Unsynced},
		{"alone, time server", true, 0, 0, block.Synced},
		{"one peer near", false, 2 * time.Minute, 1, block.Synced},
		{"one peer far", false, 6 * time.Minute, 1, block.Unsynced},
		{"one peer far, time server", true, 6 * time.Minute, 1, block.Synced},
		{"two peers near", false, -2 * time.Minute, 2, block.Synced},
		{"two peers outvote our time server", true, -365 * 24 * time.Hour, 2, block.Unsynced},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
			clock := streams.NewClock()
			clock.Wall = func() time.Time { return at }
			clock.Uptime = func() time.Duration { return time.Minute }
			clock.Synced = func() bool { return c.synced }
			clock.Peers = func() (time.Duration, int) { return c.ahead, c.peers }
			clock.Floor(at.Add(-time.Second))
			if got := clock.Stamp().Mark; got != c.mark {
				t.Errorf("%v, want %v", got, c.mark)
			}
		})
	}
}
