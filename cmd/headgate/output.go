package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"headgate/gateway"
)

// printJSON prints one value over several lines.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.term.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table prints rows under a head, columns aligned.
func (a *app) table(head string, rows [][]string) error {
	w := tabwriter.NewWriter(a.term.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(strings.Fields(head), "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// fields prints names and values below one another.
func (a *app) fields(rows [][2]string) error {
	w := tabwriter.NewWriter(a.term.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\n", r[0], r[1])
	}
	return w.Flush()
}

// progress rewrites one line on standard error while something long runs.
// Nothing is shown during the first second, nor where nobody looks.
type progress struct {
	out   io.Writer
	since time.Time
	last  time.Time
	width int
	live  bool
}

func (a *app) progress() *progress {
	return &progress{out: a.term.err, since: time.Now(), live: isTerminal(a.term.err)}
}

// show prints the line, at most five times a second.
func (p *progress) show(format string, args ...any) {
	now := time.Now()
	if !p.live || now.Sub(p.since) < time.Second || now.Sub(p.last) < 200*time.Millisecond {
		return
	}
	p.last = now
	line := fmt.Sprintf(format, args...)
	fmt.Fprintf(p.out, "\r%-*s", p.width, line)
	p.width = max(p.width, len(line))
}

// clear takes the line away.
func (p *progress) clear() {
	if p.width > 0 {
		fmt.Fprintf(p.out, "\r%*s\r", p.width, "")
		p.width = 0
	}
}

// bar is a bar of twenty characters, done of all of them filled.
func bar(done, all uint64) string {
	if all == 0 {
		all, done = 1, 1
	}
	n := int(min(done, all) * 20 / all)
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", 20-n) + "]"
}

func bytesText(n uint64) string { return gateway.Bytes(n).String() }

// count is a number with its thousands apart.
func count(n uint64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// span is a duration as people say it: 3d 4h, 12m 5s, 340ms.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
