package device

import (
	"errors"
	"fmt"
)

// ErrPowerCut is what a ring answers after Cut.
var ErrPowerCut = errors.New("power was cut")

// Cut leaves the file as a power cut does that loses everything since the last
// Sync: what was written behind it is zeroed, what was gathered is not written.
// The ring is of no use then, but for Close; OpenRing finds what was synced.
func (r *Ring) Cut() error {
	r.syncing.Lock()
	defer r.syncing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.err = ErrPowerCut
	for at := r.synced; at < r.buffered; {
		n := min(r.buffered-at, r.slot.size-at%r.slot.size)
		if _, err := r.file.WriteAt(make([]byte, n), ringData+int64(at%r.slot.size)); err != nil {
			return fmt.Errorf("cut ring: %w", err)
		}
		at += n
	}
	r.buffer = nil
	return nil
}
