package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"headgate/firmware-sim/device"
)

const (
	mostRings = 8                      // files of a fleet, however large: each has its own syncs
	ringPause = 500 * time.Millisecond // between two syncs of a ring: what a power cut may cost a device
)

// rings are the ring files of a fleet: one for each device, or in a larger
// fleet one for all devices whose number leaves the same remainder.
type rings []*device.Ring

// openRings opens or makes the ring files in a folder. A file that is no ring
// is set aside, not overwritten.
func openRings(folder string, devices int, size int64) (rings, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	var all rings
	for i := range min(devices, mostRings) {
		path := filepath.Join(folder, fmt.Sprintf("ring-%d", i))
		ring, err := device.OpenRing(path, size)
		if errors.Is(err, device.ErrRing) {
			if err := os.Rename(path, fmt.Sprintf("%s.broken-%d", path, time.Now().UnixNano())); err != nil {
				return nil, errors.Join(err, all.close())
			}
			ring, err = device.OpenRing(path, size)
		}
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		all = append(all, ring)
	}
	return all, nil
}

// of is the ring of a device, nil when the fleet has none.
func (r rings) of(number int) *device.Ring {
	if len(r) == 0 {
		return nil
	}
	return r[number%len(r)]
}

// run syncs the rings until stop is closed, and once more then.
func (r rings) run(stop <-chan struct{}) error {
	if len(r) == 0 {
		<-stop
		return nil
	}
	tick := time.NewTicker(ringPause)
	defer tick.Stop()
	for last := false; !last; {
		select {
		case <-tick.C:
		case <-stop:
			last = true
		}
		if err := r.sync(); err != nil {
			return err
		}
	}
	return nil
}

func (r rings) sync() error {
	errs := make([]error, len(r))
	var all sync.WaitGroup
	for i, ring := range r {
		all.Go(func() { errs[i] = ring.Sync() })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (r rings) close() error {
	var err error
	for _, ring := range r {
		err = errors.Join(err, ring.Close())
	}
	return err
}

// stats sums up: records held and records given up.
func (r rings) stats() (held int64, dropped uint64) {
	for _, ring := range r {
		s := ring.Stats()
		held += int64(s.Records)
		dropped += s.Dropped
	}
	return held, dropped
}
