package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
)

// folders begin like this; a run's folder holds a file that it keeps locked.
const folderPrefix = "headgate-histories-"

// diskSize is what a gateway's disk holds. The image is sparse.
const diskSize = 512 << 20

// disk is a gateway's own file system, in a file, so that it can be full and
// slow. Where there are no loop devices it is a plain folder.
type disk struct {
	folder string
	why    error // why it is a plain folder, nil when it is not
	slow   throttle
	filler atomic.Bool
}

func newFolder() (string, error) {
	folder, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return "", err
	}
	lock, err := syscall.Open(filepath.Join(folder, "lock"), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return "", err
	}
	return folder, syscall.Flock(lock, syscall.LOCK_EX) // held until the process ends
}

// removeStale removes the folders of runs that have crashed.
func removeStale() (all error) {
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		lock, err := os.Open(filepath.Join(folder, "lock"))
		if err != nil {
			continue // it is just being made
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			mounts, _ := filepath.Glob(filepath.Join(folder, "*.disk")) // the pattern is sound
			for _, m := range mounts {
				_ = syscall.Unmount(m, syscall.MNT_DETACH) // an error means that it is a plain folder
			}
			all = errors.Join(all, os.RemoveAll(folder))
		}
		_ = lock.Close()
	}
	return all
}

func newDisk(folder, name string) (*disk, error) {
	d := &disk{folder: filepath.Join(folder, name+".disk")}
	if err := os.Mkdir(d.folder, 0o755); err != nil {
		return nil, err
	}
	if d.why = d.mount(filepath.Join(folder, name+".img")); d.why != nil {
		d.slow.why = d.why
		return d, nil
	}
	d.slow = newThrottle(filepath.Base(folder)+"-"+name, d.folder)
	return d, nil
}

func (d *disk) mount(image string) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(diskSize), f.Close()); err != nil {
		return err
	}
	for _, c := range [][]string{{"mkfs.ext4", "-q", "-m", "0", "-F", image}, {"mount", "-o", "loop", image, d.folder}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", c[0], err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

func (d *disk) remove() error {
	d.slow.remove()
	if d.why != nil {
		return nil
	}
	return syscall.Unmount(d.folder, syscall.MNT_DETACH)
}

// fill takes all that is free on the disk.
func (d *disk) fill() error {
	var room syscall.Statfs_t
	if err := syscall.Statfs(d.folder, &room); err != nil {
		return err
	}
	f, err := os.Create(d.fillerName())
	if err != nil {
		return err
	}
	d.filler.Store(true)
	free := int64(room.Bavail) * int64(room.Bsize)
	for part := int64(64 << 20); part >= 4096 && free > 0; { // less and less, as a fragmented disk allows
		info, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		if part > free || syscall.Fallocate(int(f.Fd()), 0, info.Size(), part) != nil {
			part /= 2
			continue
		}
		free -= part
	}
	return f.Close()
}

func (d *disk) empty() error {
	err := os.Remove(d.fillerName())
	d.filler.Store(false)
	return err
}

func (d *disk) filled() bool       { return d.filler.Load() }
func (d *disk) fillerName() string { return filepath.Join(d.folder, "somebody-elses-file") }
