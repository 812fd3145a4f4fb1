package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// spaces is where `ip netns` looks for named namespaces.
const spaces = "/run/netns"

// threadSpace is the network namespace of the thread that opens it.
const threadSpace = "/proc/thread-self/ns/net"

// namespace is a named network namespace.
type namespace struct{ name string }

func (n namespace) path() string { return filepath.Join(spaces, n.name) }

// newNamespace makes a network namespace that lasts until it is removed.
func newNamespace(name string) (*namespace, error) {
	n := &namespace{name}
	if err := os.MkdirAll(spaces, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(n.path(), nil, 0o444); err != nil {
		return nil, err
	}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		return unix.Mount(threadSpace, n.path(), "", unix.MS_BIND, "")
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make namespace: %w", err), os.Remove(n.path()))
	}
	return n, nil
}

// inside runs do on a thread that is in the namespace. What do opens stays in
// the namespace; goroutines that it starts are not.
func (n namespace) inside(do func() error) error {
	return onThread(func() error {
		if err := enter(n.path()); err != nil {
			return err
		}
		return do()
	})
}

// onThread runs do on a thread of its own, which may change its namespace.
func onThread(do func() error) error {
	done := make(chan error)
	go func() { // the caller waits for it
		runtime.LockOSThread()
		err := keepingSpace(do)
		if !errors.Is(err, errAstray) {
			runtime.UnlockOSThread() // otherwise the thread ends with this goroutine
		}
		done <- err
	}()
	return <-done
}

// errAstray says that a thread did not come back to its namespace.
var errAstray = errors.New("the thread is astray")

// keepingSpace runs do and brings the thread back to where it was.
func keepingSpace(do func() error) error {
	home, err := os.Open(threadSpace)
	if err != nil {
		return err
	}
	defer home.Close()
	err = do()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, errAstray, back)
	}
	return err
}

func enter(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace: %w", err)
	}
	return nil
}

// killAll ends every process that is in the namespace.
func (n namespace) killAll() error {
	var space unix.Stat_t
	if err := unix.Stat(n.path(), &space); err != nil {
		return fmt.Errorf("find namespace: %w", err)
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		var its unix.Stat_t
		if unix.Stat(filepath.Join("/proc", p.Name(), "ns/net"), &its) != nil || its.Ino != space.Ino || its.Dev != space.Dev {
			continue
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end process %d: %w", pid, err)
		}
	}
	return nil
}

// remove takes the name away; the kernel ends the namespace with its last
// process. It is no error when it is gone already.
func (n namespace) remove() error {
	if err := unix.Unmount(n.path(), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount namespace: %w", err)
	}
	if err := os.Remove(n.path()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
