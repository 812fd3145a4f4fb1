package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// results are all measurements of a run.
type results []result

// of are the turns of one server's task, in the order of what they cost.
func (all results) of(server, task string) results {
	found := slices.DeleteFunc(slices.Clone(all), func(r result) bool { return r.server != server || r.task != task })
	slices.SortFunc(found, func(a, b result) int { return int(a.perRecord()*1e6) - int(b.perRecord()*1e6) })
	return found
}

// median is the middle turn by what it cost.
func (all results) median(server, task string) (result, bool) {
	found := all.of(server, task)
	if len(found) == 0 {
		return result{}, false
	}
	return found[len(found)/2], true
}

// print writes the medians, each beside the others of its task, and then the aims.
func (all results) print(out io.Writer) error {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(out, "%d cores, load average at the end %s", runtime.NumCPU(), load)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TASK\tSERVER\tRECORDS/S\tCPU µs/RECORD (LEAST–MOST)\tp50 ms\tp99 ms\tRSS MB\tRECORDS/EVENT\tCPU OF HEADGATE'S")
	var tasks []string
	for _, r := range all {
		if !slices.Contains(tasks, r.task) {
			tasks = append(tasks, r.task)
		}
	}
	for _, task := range tasks {
		base, _ := all.median(ours, task)
		for _, server := range allServers {
			if r, ok := all.median(server, task); ok {
				turns := all.of(server, task)
				fmt.Fprintf(w, "%s\t%s\t%.0f\t%.2f (%.2f–%.2f)\t%.2f\t%.2f\t%d\t%s\t%s\n", task, server, r.perSecond(), r.perRecord(),
					turns[0].perRecord(), turns[len(turns)-1].perRecord(), ms(r.quantile(.5)), ms(r.quantile(.99)), r.rss>>20,
					ratio(float64(r.pushed), float64(r.events)), ratio(r.perRecord(), base.perRecord()))
			}
		}
	}
	all.aims(w)
	return w.Flush()
}

func ratio(a, b float64) string {
	if b == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", a/b)
}

// aims says what was wanted and what was found.
func (all results) aims(w io.Writer) {
	fmt.Fprintln(w, "\nAIM\tWANTED\tFOUND")
	say := func(what, wanted string, found float64, met bool) {
		fmt.Fprintf(w, "%s\t%s\t%.2f\t%s\n", what, wanted, found, map[bool]string{true: "met", false: "missed"}[met])
	}
	for _, aim := range []struct {
		task string
		most float64
	}{{taskPuts, 20}, {taskGet, 10}} {
		mine, ok := all.median(ours, aim.task)
		for _, peer := range []string{theirs, theirsKept} {
			if other, there := all.median(peer, aim.task); ok && there {
				name, _, _ := strings.Cut(aim.task, " ")
				found := other.perRecord() / mine.perRecord()
				say(name+": CPU of "+peer+" to ours", fmt.Sprintf("≥ %g", aim.most), found, found >= aim.most)
			}
		}
	}
	for _, way := range []string{"HTTP/1.1", "HTTP/2"} {
		one, ok := all.median(ours, fanTask(1, way))
		twenty, there := all.median(ours, fanTask(20, way))
		if ok && there {
			found := twenty.perRecord() / one.perRecord()
			say("CPU with 20 consumers to that with one, "+way, "≤ 2", found, found <= 2)
		}
	}
	if d, ok := all.median(ours, taskDelay); ok {
		const most = 10 * time.Millisecond
		say("p99 from acknowledged put to event, ms", "≤ 10", ms(d.quantile(.99)), d.quantile(.99) <= most)
	}
}
