// Command firehose measures what it costs to deliver a backlog: headgate's
// deliveries beside Redpanda Connect's core (benthos), in turns, from the same
// records to the same server or to files. It asserts nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"headgate/deploy/bench/internal/child"
)

// Result is one turn of one system.
type Result struct {
	System    string  `json:"system"`
	Task      string  `json:"task"`
	Turn      int     `json:"turn"`
	Records   int     `json:"records"` // that came in
	PerSecond float64 `json:"records_per_second"`
	CPU       float64 `json:"cpu_microseconds_per_record"`
	RSS       uint64  `json:"rss_bytes"`
	More      int64   `json:"rss_growth_bytes"`
}

type settings struct {
	headgate, benthos, source, dir string
	records, turns                 int
	task                           string
	alone, json                    bool
}

func main() {
	var s settings
	flag.StringVar(&s.headgate, "headgate", "", "binary of headgate (default: built from this source)")
	flag.StringVar(&s.benthos, "benthos", "", "binary of deploy/peers/benthos (default: built)")
	flag.StringVar(&s.source, "benthos-source", "deploy/peers/benthos", "where it is built from")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "folder on the disk that is measured")
	flag.IntVar(&s.records, "records", 400_000, "records of the backlog, 300 bytes each")
	flag.IntVar(&s.turns, "turns", 3, "turns of each")
	flag.StringVar(&s.task, "task", "", "one task alone: http, files, transform, or with -alone partitions (default: the first three)")
	flag.BoolVar(&s.alone, "alone", false, "headgate without its peer")
	flag.BoolVar(&s.json, "json", false, "print JSON")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "firehose:", err)
		os.Exit(1)
	}
}

// tasks are what both systems do, or the one that was asked for.
func (s settings) tasks() []string {
	named := map[string]string{"http": toHTTP, "files": toFiles, "transform": transformed, "partitions": partitioned}
	if one, ok := named[s.task]; ok {
		return []string{one}
	}
	return []string{toHTTP, toFiles, transformed}
}

// system is who does them.
type system struct {
	name    string
	measure func(s settings, folder, input, task string) (Result, error)
}

func (s settings) systems() []system {
	all := []system{{"headgate", measureHeadgate}, {"benthos", measureBenthos}}
	if s.alone {
		return all[:1]
	}
	return all
}

const (
	toHTTP      = "HTTP, gzip"
	toFiles     = "files, gzip"
	transformed = "filter, rename, set, then HTTP"
	partitioned = "64 partitions, files, gzip" // headgate alone
)

func run(s settings) (err error) {
	dir, err := os.MkdirTemp(s.dir, "headgate-bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if s.headgate == "" {
		if s.headgate, err = child.Build(dir, ".", "headgate/cmd/headgate", "headgate"); err != nil {
			return err
		}
	}
	if s.benthos == "" && !s.alone {
		if s.benthos, err = child.Build(dir, s.source, ".", "benthos"); err != nil {
			return err
		}
	}
	input := filepath.Join(dir, "backlog.ndjson")
	if err := writeBacklog(input, s.records); err != nil {
		return err
	}
	var all []Result
	for turn := 1; turn <= s.turns; turn++ {
		for _, task := range s.tasks() {
			for _, one := range s.systems() {
				folder := filepath.Join(dir, "turn")
				if err := os.MkdirAll(folder, 0o700); err != nil {
					return fmt.Errorf("make folder: %w", err)
				}
				r, err := one.measure(s, folder, input, task)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", one.name, task, err)
				}
				r.System, r.Task, r.Turn = one.name, task, turn
				all = append(all, r)
				if err := os.RemoveAll(folder); err != nil {
					return fmt.Errorf("clean up: %w", err)
				}
			}
		}
	}
	if s.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	return table(all)
}

// figures are what a run took.
func figures(records int, took time.Duration, before, after child.Usage) Result {
	u := after.Since(before)
	return Result{Records: records, PerSecond: float64(records) / took.Seconds(), CPU: float64(u.CPU.Microseconds()) / float64(records), RSS: after.Peak, More: int64(after.Peak) - int64(before.RSS)}
}

// table prints each result, with what benthos took as a multiple of ours.
func table(all []Result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TASK\tTURN\tSYSTEM\tRECORDS/S\tCPU µs A RECORD\tBENTHOS IS\tRSS MB\tMORE MB")
	ours := 0.0
	for _, r := range all {
		ratio := "-"
		if r.System == "headgate" {
			ours = r.CPU
		} else {
			ratio = fmt.Sprintf("%.1fx", r.CPU/ours)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%.0f\t%.2f\t%s\t%d\t%d\n", r.Task, r.Turn, r.System, r.PerSecond, r.CPU, ratio, r.RSS>>20, r.More>>20)
	}
	return w.Flush()
}
