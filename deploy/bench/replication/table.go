package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// judgment is one aim and whether it was reached.
type judgment struct {
	Aim    string  `json:"aim"`
	Value  float64 `json:"value"`
	Bound  string  `json:"bound"` // at least, at most
	Wanted float64 `json:"wanted"`
	Met    bool    `json:"met"`
}

func (c *comparison) atLeast(aim string, value, wanted float64) {
	c.Verdict = append(c.Verdict, judgment{aim, value, "at least", wanted, value >= wanted})
}

func (c *comparison) atMost(aim string, value, wanted float64) {
	c.Verdict = append(c.Verdict, judgment{aim, value, "at most", wanted, value <= wanted})
}

// judge holds the medians and the sites against the aims.
func (c *comparison) judge() {
	for _, peer := range c.Medians {
		if !strings.HasPrefix(peer.System, "NATS") {
			continue
		}
		for _, r := range c.Medians {
			if r.Payload != peer.Payload || r.System == peer.System {
				continue
			}
			of := r.System + ", " + r.Payload + ": "
			c.atLeast(of+"records a second, times those of NATS", r.PerSecond/peer.PerSecond, 5)
			c.atMost(of+"bytes to the device, times those of NATS", r.Device/peer.Device, 0.5)
		}
	}
	for _, s := range c.Sites {
		if s.Heartbeat > 0 && s.Failovers > 0 {
			c.atMost("failover p99, times the HeartbeatTimeout", s.P99/s.Heartbeat, 3)
			c.atMost("failover p99, ms", s.P99, 3000)
			c.atMost("acknowledged records lost", float64(s.Lost), 0)
		}
	}
}

// print writes the tables and the aims.
func (c comparison) print(to io.Writer) error {
	fmt.Fprintln(to, c.Machine)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "payload\tsystem\trecords/s\tp50 ms\tp99 ms\tCPU ms/record\tsyncs/record/node\tfile bytes/byte/node\tdevice bytes/byte/node\tRSS MB")
	for _, r := range c.Puts {
		line(w, r)
	}
	fmt.Fprintln(w, "medians")
	for _, r := range c.Medians {
		line(w, r)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nsystem\tidle CPU %\tidle bytes/s\tHeartbeatTimeout ms\tleaders killed\tfailover p50 / p99 / most ms\tacknowledged\tlost\tcaught up MB/s\trecords/s")
	for _, s := range c.Sites {
		fmt.Fprintf(w, "%s\t%.2f\t%s\t%s\t%d\t%.0f / %.0f / %.0f\t%d\t%d\t%.1f\t%.0f\n", s.System, s.IdleCPU, known(s.IdleBytes, s.IdleBytes >= 0, "%.0f"),
			known(s.Heartbeat, s.Heartbeat > 0, "%.0f"), s.Failovers, s.P50, s.P99, s.Most, s.Acked, s.Lost, s.CatchUp, s.Records)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(to)
	for _, j := range c.Verdict {
		word := "missed"
		if j.Met {
			word = "met"
		}
		fmt.Fprintf(to, "%s: %.2f, aim %s %g: %s\n", j.Aim, j.Value, j.Bound, j.Wanted, word)
	}
	return nil
}

func known(v float64, is bool, format string) string {
	if !is {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

func line(w io.Writer, r putsReport) {
	fmt.Fprintf(w, "%s\t%s\t%.0f\t%.1f\t%.1f\t%.3f\t%s\t%s\t%.2f\t%.0f\n", r.Payload, r.System, r.PerSecond, r.P50, r.P99, r.CPU,
		known(r.Syncs, r.Syncs > 0, "%.4f"), known(r.Written, r.Written > 0, "%.2f"), r.Device, r.RSS)
}
