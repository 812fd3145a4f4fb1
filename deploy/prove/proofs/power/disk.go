package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// missing is what this machine lacks for the proof.
type missing struct{ what string }

func (m *missing) Error() string { return m.what }

// possible says what is missing for a file system of that kind.
func possible(kind string) error {
	if os.Geteuid() != 0 {
		return &missing{"loop mounts need root"}
	}
	if _, err := program("mkfs." + kind); err != nil {
		return &missing{fmt.Sprintf("there is no mkfs.%s; deploy/test installs it", kind)}
	}
	return nil
}

// program finds a system tool; users' paths often lack sbin.
func program(name string) (string, error) {
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, nil
		}
	}
	return exec.LookPath(name)
}

func call(name string, args ...string) error {
	p, err := program(name)
	if err != nil {
		return err
	}
	if out, err := exec.Command(p, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// disk is a file system on an image file, whose power can be cut.
type disk struct {
	kind, image, at string
	mounted         bool
}

// diskBytes is sparse: only what is written takes room.
const diskBytes = 1 << 30

func newDisk(kind, dir, name string) (*disk, error) {
	d := &disk{kind: kind, image: filepath.Join(dir, name+".img"), at: filepath.Join(dir, name)}
	if err := os.Mkdir(d.at, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Create(d.image)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(diskBytes); err != nil {
		return nil, err
	}
	force := map[string]string{"ext4": "-F"}[kind]
	if force == "" {
		force = "-f"
	}
	return d, call("mkfs."+kind, "-q", force, d.image)
}

func (d *disk) mount() error {
	if err := call("mount", "-o", "loop", "-t", d.kind, d.image, d.at); err != nil {
		return err
	}
	d.mounted = true
	return nil
}

// unmount repeats while the kernel still ends what was killed.
func (d *disk) unmount() (err error) {
	for until := time.Now().Add(10 * time.Second); d.mounted && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if err = call("umount", d.at); err == nil {
			d.mounted = false
		}
	}
	return err
}

// The ioctl is XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN alike; the flag says
// that not even the file system's journal is written any more.
const (
	shutdown   = 0x8004587d // _IOR('X', 125, __u32)
	noLogFlush = 2
)

// cut takes the power away: nothing reaches the disk from now on.
func (d *disk) cut() error {
	f, err := os.Open(d.at)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush); err != nil {
		return fmt.Errorf("shut %s down: %w", d.at, err)
	}
	return nil
}

// smear writes some of what was not synced, in no order, as a kernel does
// that was about to: a power cut need not keep the order of writes.
func (d *disk) smear(random *rand.Rand) {
	_ = filepath.WalkDir(d.at, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || random.IntN(2) == 0 {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return nil // it went meanwhile
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Size() > 0 {
			from := random.Int64N(info.Size()) &^ 4095
			_ = unix.SyncFileRange(int(f.Fd()), from, 4096*(1+random.Int64N(64)),
				unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER) // one page more or less on the disk
		}
		return nil
	})
}
