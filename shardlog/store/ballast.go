package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// The ballast is a file that holds room on the volume without writing to it.
// When somebody else filled the disk while the gateway was down, it is given
// up at the start, so that Pebble, which ends the process on ENOSPC, can open
// and trim; it comes back when there is room again.
const ballastName = "ballast"

// Ballast is how large the ballast of a volume is: 2 %, at least 64 MiB, but
// no more than a tenth of a small volume and 1 GiB of a large one.
func Ballast(volume uint64) uint64 {
	size := max(volume/50, 64<<20)
	return min(size, volume/10, 1<<30)
}

// RaiseBallast makes or gives up the ballast, whichever the room on the volume
// asks for. It is called at the start, and by whoever watches the disk.
func (s *Store) RaiseBallast() error {
	if s.disk.mem != nil {
		return nil
	}
	u, err := s.Usage()
	if err != nil || u.Volume == 0 {
		return err
	}
	return raiseBallast(filepath.Join(s.dir, ballastName), u.Free, Ballast(u.Volume))
}

// yieldBallast gives the ballast up when the volume has less room than it holds.
func (s *Store) yieldBallast() error {
	if s.disk.mem != nil {
		return nil
	}
	d, err := s.disk.fs().GetDiskUsage(s.dir)
	if err != nil {
		return nil // no figures, no ballast
	}
	if d.AvailBytes >= Ballast(d.TotalBytes) {
		return nil
	}
	if err := os.Remove(filepath.Join(s.dir, ballastName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("give up ballast: %w", err)
	}
	return nil
}

func raiseBallast(name string, free, size uint64) error {
	info, err := os.Stat(name)
	if err == nil && uint64(info.Size()) == size || free < 3*size {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make ballast: %w", err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(size)); err != nil {
		return errors.Join(fmt.Errorf("make ballast: %w", err), os.Remove(name))
	}
	return f.Truncate(int64(size))
}
