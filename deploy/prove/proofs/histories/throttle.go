package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// throttle slows the writes of some processes to one disk down, by a blkio
// group of cgroup version 1.
type throttle struct {
	group  string // folder of the group
	device string // "7:0"
	why    error  // why there is none
}

// blkio is where version 1 has its groups for disks.
const blkio = "/sys/fs/cgroup/blkio"

func newThrottle(name, mount string) throttle {
	var disk syscall.Stat_t
	if err := syscall.Stat(mount, &disk); err != nil {
		return throttle{why: err}
	}
	t := throttle{group: filepath.Join(blkio, name), device: fmt.Sprintf("%d:%d", disk.Dev>>8&0xfff, disk.Dev&0xff|disk.Dev>>12&0xfff00)}
	if _, err := os.Stat(filepath.Join(blkio, "cgroup.procs")); err != nil {
		return throttle{why: fmt.Errorf("no blkio groups of cgroup version 1: %w", err)}
	}
	if err := os.Mkdir(t.group, 0o755); err != nil {
		return throttle{why: err}
	}
	return t
}

// adopt puts a process under the throttle.
func (t throttle) adopt(pid int) error {
	if t.why != nil {
		return nil
	}
	err := os.WriteFile(filepath.Join(t.group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
	if errors.Is(err, syscall.ESRCH) {
		return nil // it has ended already
	}
	return err
}

// set allows so many writes a second; 0 for any number.
func (t throttle) set(writes int) error {
	return os.WriteFile(filepath.Join(t.group, "blkio.throttle.write_iops_device"), []byte(t.device+" "+strconv.Itoa(writes)), 0)
}

func (t throttle) remove() {
	if t.why == nil && t.group != "" {
		_ = os.Remove(t.group) // its processes are gone; a group left over does nothing
	}
}
