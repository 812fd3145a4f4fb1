// Package child runs the processes that are measured, and reads from /proc
// what they took. It does not know what they do.
package child

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a running child. Stop must be called.
type Process struct {
	Pid int

	cmd   *exec.Cmd
	ended chan error // holds how it ended, once

	mu    sync.Mutex
	lines []string // guarded by mu; the first ones of what it printed
}

// patience is how long a child may take to begin or to end.
const patience = 30 * time.Second

// Start runs a program and returns when it has printed a line that begins
// with ready, or at once when ready is empty.
func Start(ready, program string, args ...string) (*Process, error) {
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	// An input that stays open until the child has ended: some peers stop with it.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, errors.Join(fmt.Errorf("make pipe: %w", err), read.Close(), write.Close())
	}
	err = cmd.Start()
	_ = write.Close() // the child has its own
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", program, err), read.Close())
	}
	p := &Process{Pid: cmd.Process.Pid, cmd: cmd, ended: make(chan error, 1)}
	begun := make(chan struct{})
	go func() { // Stop waits for it
		p.watch(read, ready, begun)
		_ = read.Close()
		p.ended <- cmd.Wait()
	}()
	if ready == "" {
		return p, nil
	}
	select {
	case <-begun:
		return p, nil
	case err := <-p.ended:
		p.ended <- err
		return nil, fmt.Errorf("%s ended early (%v): %s", program, err, strings.Join(p.Lines(), " | "))
	case <-time.After(patience):
		p.Stop()
		return nil, fmt.Errorf("%s was not ready within %s: %s", program, patience, strings.Join(p.Lines(), " | "))
	}
}

func (p *Process) watch(from *os.File, ready string, begun chan<- struct{}) {
	seen := false
	for lines := bufio.NewScanner(from); lines.Scan(); {
		p.mu.Lock()
		if len(p.lines) < 100 {
			p.lines = append(p.lines, lines.Text())
		}
		p.mu.Unlock()
		if !seen && ready != "" && strings.HasPrefix(lines.Text(), ready) {
			seen = true
			close(begun)
		}
	}
}

// Lines are the first lines the child printed.
func (p *Process) Lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// Field is the last word of the first line that begins with the prefix, after
// any =, and "" when there is none.
func (p *Process) Field(prefix string) string {
	for _, l := range p.Lines() {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, prefix) {
			words := strings.Fields(l)
			last := words[len(words)-1]
			if _, value, ok := strings.Cut(last, "="); ok {
				return value
			}
			return last[strings.LastIndex(last, "/")+1:]
		}
	}
	return ""
}

// Stop ends the child, first kindly.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.ended:
		p.ended <- err
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		p.ended <- <-p.ended
	}
}

// Kill ends the child without a word.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	p.ended <- <-p.ended
}

// Listening returns when somebody takes connections at the address.
func Listening(address string) error {
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("nobody listens at %s", address)
}

// FreeAddress is a loopback address where nobody listens just now.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// Build compiles a main package of the module in folder to a file in dir.
func Build(dir, folder, pkg, name string) (string, error) {
	file := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-o", file, pkg)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return file, nil
}
