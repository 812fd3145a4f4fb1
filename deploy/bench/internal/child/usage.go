package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has taken since it began, as the kernel counts it.
type Usage struct {
	CPU    time.Duration // user and system, children that ended included
	RSS    uint64        // bytes, now
	Peak   uint64        // bytes of RSS, the most so far
	Device uint64        // bytes that were sent to the storage layer (write_bytes)
	Passed uint64        // bytes passed to write of any kind, sockets included (wchar)
}

// ticksPerSecond is the unit of CPU times in /proc on every Linux.
const ticksPerSecond = 100

// Measure reads what the process has taken. It must still run.
func Measure(pid int) (Usage, error) {
	var u Usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("measure process: %w", err)
	}
	// The name stands in parentheses and may hold anything; behind it are
	// the fields from the third on.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 15 {
		return u, fmt.Errorf("measure process: /proc/%d/stat has %d fields", pid, len(fields))
	}
	for _, f := range fields[11:15] {
		ticks, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return u, fmt.Errorf("measure process: %w", err)
		}
		u.CPU += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	status, err := named(pid, "status")
	if err != nil {
		return u, err
	}
	traffic, err := named(pid, "io")
	if err != nil {
		return u, err
	}
	u.RSS, u.Peak = status["VmRSS"]<<10, status["VmHWM"]<<10
	u.Device, u.Passed = traffic["write_bytes"], traffic["wchar"]
	return u, nil
}

// named reads a file of "name: number unit" lines.
func named(pid int, file string) (map[string]uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return nil, fmt.Errorf("measure process: %w", err)
	}
	values := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		if words := strings.Fields(rest); len(words) > 0 {
			if n, err := strconv.ParseUint(words[0], 10, 64); err == nil {
				values[name] = n
			}
		}
	}
	return values, nil
}

// Since is what was taken between two measurements; RSS and Peak are the
// later ones.
func (u Usage) Since(before Usage) Usage {
	return Usage{CPU: u.CPU - before.CPU, RSS: u.RSS, Peak: u.Peak, Device: u.Device - before.Device, Passed: u.Passed - before.Passed}
}
