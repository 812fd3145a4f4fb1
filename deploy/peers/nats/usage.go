package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what the kernel says about this process; zeros where it says nothing.
type usage struct {
	cpu    time.Duration
	device uint64 // bytes sent to the block layer
	rss    uint64
}

func look() usage {
	var u usage
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	u.device = fields("/proc/self/io")["write_bytes:"]
	u.rss = fields("/proc/self/status")["VmRSS:"] << 10
	return u
}

func (u usage) since(before usage) usage {
	return usage{u.cpu - before.cpu, u.device - before.device, u.rss}
}

// fields reads the lines "name: number …" of a file of the kernel's.
func fields(name string) map[string]uint64 {
	all := map[string]uint64{}
	f, err := os.Open(name)
	if err != nil {
		return all
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 {
			all[words[0]], _ = strconv.ParseUint(words[1], 10, 64)
		}
	}
	return all
}

// lookAt is the usage of another process.
func lookAt(pid int) usage {
	var u usage
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if at := strings.LastIndexByte(string(text), ')'); err == nil && at >= 0 {
		// The fields behind the name begin with the third; 14 and 15 are ticks of 10 ms.
		if f := strings.Fields(string(text[at+1:])); len(f) > 12 {
			for _, ticks := range f[11:13] {
				n, _ := strconv.ParseInt(ticks, 10, 64)
				u.cpu += time.Duration(n) * 10 * time.Millisecond
			}
		}
	}
	u.device = fields(fmt.Sprintf("/proc/%d/io", pid))["write_bytes:"]
	return u
}

// carried is what the loopback has carried; zero when it is not our own.
func carried() uint64 {
	if os.Getenv("HEADGATE_BENCH_APART") == "" {
		return 0
	}
	return fields("/proc/self/net/dev")["lo:"]
}
