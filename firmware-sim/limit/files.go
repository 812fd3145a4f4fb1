// Package limit raises what the operating system allows a process of many
// connections. It knows nothing of what they are for.
package limit

import (
	"fmt"
	"syscall"
)

// spare is how many files a process needs besides its connections.
const spare = 64

// Files raises the limit on open files as far as it goes, and says so when that
// is too little for that many connections.
func Files(connections int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // no limit that we could know of
	}
	need := uint64(connections) + spare
	if limit.Cur < need {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("%d devices need %d open files: %w", connections, need, err)
		}
	}
	if limit.Cur < need {
		return fmt.Errorf("%d devices need %d open files, the limit is %d (ulimit -Hn)", connections, need, limit.Cur)
	}
	return nil
}
