package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// prefix begins the name of every namespace and lock of a lab.
const prefix = "headgate-lab-"

// locks is where each living lab holds a lock of its name.
const locks = "/run"

// claim is the name of a living lab: a locked file, which the kernel unlocks
// when the process ends, however it ends.
type claim struct {
	id   string
	lock *os.File
}

// stakeClaim takes a name that nobody has.
func stakeClaim() (*claim, error) {
	for {
		f, err := os.CreateTemp(locks, prefix+"*.lock")
		if err != nil {
			return nil, err
		}
		if held(f) {
			return &claim{id: strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f.Name()), prefix), ".lock"), lock: f}, nil
		}
		_ = f.Close() // another lab took the new name for a stale one
	}
}

// held locks a file that is still there.
func held(f *os.File) bool {
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false
	}
	_, err := os.Stat(f.Name())
	return err == nil
}

// name is the namespace of the host of that number.
func (c *claim) name(number int) string { return fmt.Sprintf("%s%s-%d", prefix, c.id, number) }

func (c *claim) release() error {
	return errors.Join(os.Remove(c.lock.Name()), c.lock.Close())
}

// RemoveStale removes what labs have left whose process is gone: processes in
// their namespaces, the namespaces and the locks. Living labs are not touched.
func RemoveStale() error {
	names, err := filepath.Glob(filepath.Join(locks, prefix+"*.lock"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := removeIfStale(name); err != nil {
			return err
		}
	}
	return nil
}

func removeIfStale(lock string) error {
	f, err := os.Open(lock)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if !held(f) {
		return nil // it lives, or another lab is faster
	}
	paths, err := filepath.Glob(filepath.Join(spaces, strings.TrimSuffix(filepath.Base(lock), ".lock")+"-*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		n := namespace{filepath.Base(path)}
		if err := errors.Join(n.killAll(), n.remove()); err != nil {
			return err
		}
	}
	if err := os.Remove(lock); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
