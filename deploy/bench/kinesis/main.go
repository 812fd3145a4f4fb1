// Command kinesis measures the Kinesis door beside kinesalite and
// kinesis-mock: the same client calls each in turn, on the same machine. It
// says whether the aims are met and asserts nothing.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"headgate/deploy/bench/internal/child"
)

// settings is what a run was told.
type settings struct {
	headgate, dir string
	servers       []string
	operations    []string
	length        time.Duration // of each measurement
	turns         int
	stored        int // records in the stream that GetRecords reads
	rate          int // records a second while consumers listen
	consumers     []int
	samples       int // of the delay on an idle gateway
	size          int // bytes of a record
	profiles      string
}

func main() {
	var s settings
	small, names, ops := false, "", ""
	flag.StringVar(&s.headgate, "headgate", "", "binary of headgate (default: built from this source)")
	flag.StringVar(&s.dir, "dir", os.TempDir(), "folder on the disk that is measured")
	flag.StringVar(&names, "servers", strings.Join(allServers, ","), "who is measured")
	flag.StringVar(&ops, "operations", strings.Join(allOperations, ","), "what is measured")
	flag.DurationVar(&s.length, "for", 10*time.Second, "length of each measurement")
	flag.IntVar(&s.turns, "turns", 3, "turns of each server; the table has their medians")
	flag.IntVar(&s.stored, "stored", 20_000, "records in the stream that GetRecords reads")
	flag.IntVar(&s.rate, "rate", 16_000, "records a second while consumers listen")
	flag.IntVar(&s.samples, "samples", 300, "records of which the delay to an idle consumer is measured")
	flag.IntVar(&s.size, "size", 200, "bytes of a record")
	flag.BoolVar(&small, "small", false, "the size for CI: one turn of 2 s, few records")
	flag.StringVar(&s.profiles, "profiles", "", "folder for CPU profiles of headgate, one for each measurement")
	flag.Parse()
	s.servers, s.operations, s.consumers = strings.Split(names, ","), strings.Split(ops, ","), []int{1, 20}
	if small {
		s.length, s.turns, s.stored, s.samples = 2*time.Second, 1, 2_000, 50
	}
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "kinesis:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	for _, name := range s.servers {
		if !slices.Contains(allServers, name) {
			return fmt.Errorf("no server is named %q, but %s", name, strings.Join(allServers, ", "))
		}
	}
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
	var all results
	for turn := range s.turns {
		for _, name := range s.servers {
			found, err := measure(s, name, filepath.Join(dir, fmt.Sprint(name, turn)))
			if err != nil {
				return fmt.Errorf("measure %s: %w", name, err)
			}
			all = append(all, found...)
		}
	}
	return all.print(os.Stdout)
}

// measure starts a server, measures its operations one after the other and
// stops it.
func measure(s settings, name, folder string) (results, error) {
	to, err := start(s, name, folder)
	if err != nil {
		return nil, err
	}
	defer to.stop()
	var all results
	for _, op := range s.operations {
		work, ok := operations[op]
		if !ok {
			return nil, fmt.Errorf("no operation is named %q, but %s", op, strings.Join(allOperations, ", "))
		}
		found, err := work(s, to)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		for _, r := range found {
			fmt.Fprintf(os.Stderr, "%-19s %s\n", name, r.line())
		}
		all = append(all, found...)
	}
	return all, nil
}
