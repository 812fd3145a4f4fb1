package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"headgate/deploy/bench/internal/child"
)

// comparison is a whole run.
type comparison struct {
	Machine string       `json:"machine"`
	Puts    []putsReport `json:"puts"`
	Medians []putsReport `json:"medians"`
	Sites   []siteReport `json:"sites"`
	Verdict []judgment   `json:"verdict"`
}

func (p plan) compareAndPrint(ctx context.Context) error {
	c, err := p.compare(ctx)
	if err != nil {
		return err
	}
	if p.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(c)
	}
	return c.print(os.Stdout)
}

// ssd is the syncs a second of the gateway's profile of that name.
const ssd = 1000

// compare measures one thing after the other, everything as often as another.
func (p plan) compare(ctx context.Context) (c comparison, err error) {
	dir, err := os.MkdirTemp(p.Dir, "replication-")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	if p.Binary == "" {
		if p.Binary, err = child.Build(dir, ".", "headgate/cmd/headgate", "headgate"); err != nil {
			return c, err
		}
	}
	telemetry := filepath.Join(dir, "payloads")
	if err := writePayloads(telemetry, p.Writers); err != nil {
		return c, err
	}
	c.Machine = fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	for _, payloads := range []string{telemetry, ""} {
		rows, err := p.comparePuts(ctx, payloads)
		if err != nil {
			return c, err
		}
		c.Puts = append(c.Puts, rows...)
		c.Medians = append(c.Medians, medians(rows)...)
	}
	if c.Sites, err = p.compareSites(ctx); err != nil {
		return c, err
	}
	c.judge()
	return c, nil
}

// comparePuts takes all systems in turn, round by round.
func (p plan) comparePuts(ctx context.Context, payloads string) (rows []putsReport, err error) {
	name := "telemetry, 100–200 bytes"
	if payloads == "" {
		name = fmt.Sprintf("noise, %d bytes", p.Size)
	}
	systems := []func(dir string) *exec.Cmd{
		func(dir string) *exec.Cmd { return p.self(ctx, "puts", dir, "--payloads", payloads) },
		func(dir string) *exec.Cmd {
			return p.self(ctx, "puts", dir, "--payloads", payloads, "--syncs", strconv.Itoa(ssd))
		},
	}
	if p.peered() {
		systems = append(systems, func(dir string) *exec.Cmd {
			return exec.CommandContext(ctx, p.Peer, append([]string{"bench", "--dir", dir, "--payloads", payloads, "--nodes", strconv.Itoa(gateways)}, p.shape()...)...)
		})
	}
	for round := range p.Rounds {
		for i, system := range systems {
			fmt.Fprintf(os.Stderr, "%s: round %d of %d, system %d of %d\n", name, round+1, p.Rounds, i+1, len(systems))
			r := putsReport{}
			if err := child.Report(p.Dir, system, &r); err != nil {
				return rows, err
			}
			r.Payload = name
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func (p plan) compareSites(ctx context.Context) (rows []siteReport, err error) {
	common := []string{"--idle", p.Idle.String(), "--failovers", strconv.Itoa(p.Failovers), "--away", strconv.Itoa(p.Away)}
	systems := []func(dir string) *exec.Cmd{
		func(dir string) *exec.Cmd {
			return child.Apart(p.self(ctx, "site", dir, append(common, "--headgate", p.Binary)...))
		},
	}
	if p.peered() {
		systems = append(systems, func(dir string) *exec.Cmd {
			return child.Apart(exec.CommandContext(ctx, p.Peer, append([]string{"site", "--dir", dir, "--streams", strconv.Itoa(p.Streams)}, common...)...))
		})
	} else {
		fmt.Fprintln(os.Stderr, "replication: no NATS to compare with; deploy/peers/nats/README.md says how to build it")
	}
	for i, system := range systems {
		fmt.Fprintf(os.Stderr, "idle, failover and catching up: system %d of %d\n", i+1, len(systems))
		r := siteReport{}
		err := child.Report(p.Dir, system, &r)
		if err != nil && i == 0 {
			return rows, err
		}
		if err != nil { // what else was measured still counts
			fmt.Fprintln(os.Stderr, "replication: the peer's site is not measured:", err)
			continue
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (p plan) peered() bool {
	_, err := os.Stat(p.Peer)
	return err == nil
}

// self is this program with one measurement to do.
func (p plan) self(ctx context.Context, measure, dir string, more ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return exec.CommandContext(ctx, self, append(append([]string{"--measure", measure, "--dir", dir}, p.shape()...), more...)...)
}

func (p plan) shape() []string {
	return []string{"--for", p.Length.String(), "--writers", strconv.Itoa(p.Writers), "--streams", strconv.Itoa(p.Streams), "--size", strconv.Itoa(p.Size)}
}

// medians are, for each system, the median of each field.
func medians(rows []putsReport) (all []putsReport) {
	var names []string
	for _, r := range rows {
		if !slices.Contains(names, r.System) {
			names = append(names, r.System)
		}
	}
	for _, name := range names {
		all = append(all, median(slices.DeleteFunc(slices.Clone(rows), func(r putsReport) bool { return r.System != name })))
	}
	return all
}

func median(all []putsReport) putsReport {
	m := all[0]
	of := func(field func(*putsReport) *float64) {
		var values []float64
		for i := range all {
			values = append(values, *field(&all[i]))
		}
		slices.Sort(values)
		*field(&m) = (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	of(func(r *putsReport) *float64 { return &r.Seconds })
	of(func(r *putsReport) *float64 { return &r.PerSecond })
	of(func(r *putsReport) *float64 { return &r.P50 })
	of(func(r *putsReport) *float64 { return &r.P99 })
	of(func(r *putsReport) *float64 { return &r.CPU })
	of(func(r *putsReport) *float64 { return &r.Syncs })
	of(func(r *putsReport) *float64 { return &r.Written })
	of(func(r *putsReport) *float64 { return &r.Device })
	of(func(r *putsReport) *float64 { return &r.RSS })
	m.Commits, m.Failures = 0, 0
	for _, r := range all {
		m.Commits += r.Commits
		m.Failures += r.Failures
	}
	return m
}
