//go:build !linux

package lambda

import (
	"errors"
	"os"
	"os/exec"
)

func apart(*exec.Cmd) {}

func kill(p *os.Process) error { return p.Kill() }

// limitMemory is Linux's.
func limitMemory(*os.Process, int) error { return errors.New("it needs Linux") }
