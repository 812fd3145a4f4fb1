package lambda

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// apart gives the process a group of its own, so that its children can be
// killed with it.
func apart(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func kill(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }

// limitMemory bounds the data of a process that runs already. Address space
// is not bounded: runtimes reserve much more of it than they use.
func limitMemory(p *os.Process, mib int) error {
	limit := unix.Rlimit{Cur: uint64(mib) << 20, Max: uint64(mib) << 20}
	return unix.Prlimit(p.Pid, unix.RLIMIT_DATA, &limit, nil)
}
