package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// judgment is one aim and whether it was reached.
type judgment struct {
	Aim    string  `json:"aim"`
	Value  float64 `json:"value"`
	Wanted float64 `json:"wanted"`
	Met    bool    `json:"met"`
}

// judge takes the median of each system and holds them against the aims.
func (c *comparison) judge(systems int) {
	for i := range systems {
		var own []report
		for j := i; j < len(c.Rows); j += systems {
			own = append(own, c.Rows[j])
		}
		c.Medians = append(c.Medians, median(own))
	}
	trio, lone := c.Medians[0], c.Medians[1]
	c.atMost("three voters: bytes written per stored byte and node", trio.Written, 2.3)
	c.atMost("one voter: bytes written per stored byte", lone.Written, 2.3)
	if systems > 2 {
		ratio := trio.PerSecond / c.Medians[2].PerSecond
		c.Verdict = append(c.Verdict, judgment{"three voters: commits/s, times those of NATS R3", ratio, 2, ratio >= 2})
	}
}

func (c *comparison) atMost(aim string, value, wanted float64) {
	c.Verdict = append(c.Verdict, judgment{aim, value, wanted, value <= wanted})
}

// median is the report whose fields are each the median of theirs.
func median(all []report) report {
	m := all[0]
	of := func(field func(*report) *float64) {
		var values []float64
		for i := range all {
			values = append(values, *field(&all[i]))
		}
		slices.Sort(values)
		*field(&m) = (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	of(func(r *report) *float64 { return &r.Seconds })
	of(func(r *report) *float64 { return &r.PerSecond })
	of(func(r *report) *float64 { return &r.P50 })
	of(func(r *report) *float64 { return &r.P99 })
	of(func(r *report) *float64 { return &r.CPU })
	of(func(r *report) *float64 { return &r.Syncs })
	of(func(r *report) *float64 { return &r.Written })
	of(func(r *report) *float64 { return &r.Device })
	of(func(r *report) *float64 { return &r.RSS })
	m.Commits, m.Failures = 0, 0
	for _, r := range all {
		m.Commits += r.Commits
		m.Failures += r.Failures
	}
	return m
}

// print writes the rows, the medians with their ratios to the last system, and the aims.
func (c comparison) print(to io.Writer) error {
	fmt.Fprintln(to, c.Machine)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "system\tcommits/s\tratio\tp50 ms\tp99 ms\tCPU ms/commit\tsyncs/commit/node\tfile bytes/byte/node\tdevice bytes/byte/node\tRSS MB")
	base := c.Medians[len(c.Medians)-1].PerSecond
	for _, r := range c.Rows {
		line(w, r, base)
	}
	fmt.Fprintln(w, "medians")
	for _, r := range c.Medians {
		line(w, r, base)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, j := range c.Verdict {
		word := "missed"
		if j.Met {
			word = "met"
		}
		fmt.Fprintf(to, "%s: %.2f, aim %.1f: %s\n", j.Aim, j.Value, j.Wanted, word)
	}
	return nil
}

func line(w io.Writer, r report, base float64) {
	or := func(v float64, format string) string {
		if v == 0 {
			return "–"
		}
		return fmt.Sprintf(format, v)
	}
	fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.1f\t%.1f\t%.3f\t%s\t%s\t%.2f\t%.0f\n", r.System, r.PerSecond, r.PerSecond/base, r.P50, r.P99, r.CPU,
		or(r.Syncs, "%.3f"), or(r.Written, "%.2f"), r.Device, r.RSS)
}
