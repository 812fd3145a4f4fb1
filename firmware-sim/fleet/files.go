package fleet

import (
	"fmt"
	"syscall"
)

// enoughFiles raises the limit on open files as far as it goes, and says so
// when that is too little for a connection per device.
func enoughFiles(devices int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // no limit that we could know of
	}
	need := uint64(devices) + 64
	if limit.Cur < need {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("%d devices need %d open files: %w", devices, need, err)
		}
	}
	if limit.Cur < need {
		return fmt.Errorf("%d devices need %d open files, the limit is %d (ulimit -Hn)", devices, need, limit.Cur)
	}
	return nil
}
