package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"headgate/deploy/bench/internal/child"
)

// report is one measurement; NATS's program prints the same fields. CPU,
// device bytes and memory are of the whole process: all nodes and the writers.
type report struct {
	System    string  `json:"system"`
	Nodes     int     `json:"nodes"`
	Commits   int     `json:"commits"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"commits_per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	CPU       float64 `json:"cpu_ms_per_commit"`
	Syncs     float64 `json:"syncs_per_commit_per_node,omitempty"`
	Written   float64 `json:"written_bytes_per_byte_per_node,omitempty"`
	Device    float64 `json:"device_bytes_per_byte_per_node"`
	RSS       float64 `json:"rss_mb"`
	Failures  int     `json:"failures"`
}

// comparison is a whole run.
type comparison struct {
	Machine string     `json:"machine"`
	Rows    []report   `json:"rows"`
	Medians []report   `json:"medians"`
	Verdict []judgment `json:"verdict"`
}

// compare measures each system in turn, and that Rounds times.
func (p plan) compare(ctx context.Context) (comparison, error) {
	self, err := os.Executable()
	if err != nil {
		return comparison{}, err
	}
	systems := []func(dir string) *exec.Cmd{
		func(dir string) *exec.Cmd { return exec.CommandContext(ctx, self, p.args(3, dir)...) },
		func(dir string) *exec.Cmd { return exec.CommandContext(ctx, self, p.args(1, dir)...) },
	}
	if _, err := os.Stat(p.Peer); err == nil {
		systems = append(systems, func(dir string) *exec.Cmd { return p.nats(ctx, dir) })
	} else {
		fmt.Fprintln(os.Stderr, "engine: no NATS to compare with; deploy/peers/nats/README.md says how to build it")
	}
	c := comparison{Machine: fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())}
	for round := range p.Rounds {
		for i, system := range systems {
			fmt.Fprintf(os.Stderr, "round %d of %d, measurement %d of %d\n", round+1, p.Rounds, i+1, len(systems))
			var r report
			if err := child.Report(p.Dir, system, &r); err != nil {
				return c, err
			}
			c.Rows = append(c.Rows, r)
		}
	}
	c.judge(len(systems))
	return c, nil
}

func (p plan) args(voters int, dir string) []string {
	return []string{"--voters", strconv.Itoa(voters), "--dir", dir, "--for", p.Length.String(), "--writers", strconv.Itoa(p.Writers),
		"--streams", strconv.Itoa(p.Streams), "--size", strconv.Itoa(p.Size)}
}

func (p plan) nats(ctx context.Context, dir string) *exec.Cmd {
	return exec.CommandContext(ctx, p.Peer, "bench", "--dir", dir, "--nodes", "3", "--for", p.Length.String(),
		"--writers", strconv.Itoa(p.Writers), "--streams", strconv.Itoa(p.Streams), "--size", strconv.Itoa(p.Size))
}
