package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"headgate/deploy/bench/internal/child"
)

// result is one measurement.
type result struct {
	server, task string
	records      int           // that came in, or were read
	took, cpu    time.Duration // cpu is the server's, user and system, children included
	times        []time.Duration
	rss          uint64
	events       int // that consumers got
	pushed       int // records in them
}

// watch measures what a server takes while work runs.
func watch(s settings, to *server, task string, work func() (result, error)) (result, error) {
	profiled := to.profile(s, task)
	before, err := child.Measure(to.pid)
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	r, err := work()
	if err != nil {
		return r, err
	}
	r.server, r.task, r.took = to.name, task, time.Since(began)
	after, err := child.Measure(to.pid)
	r.cpu, r.rss = after.CPU-before.CPU, after.RSS
	slices.Sort(r.times)
	return r, errors.Join(err, <-profiled)
}

func (r result) perSecond() float64 { return float64(r.records) / r.took.Seconds() }

// perRecord is the server's CPU time in microseconds.
func (r result) perRecord() float64 {
	if r.records == 0 {
		return 0
	}
	return float64(r.cpu.Nanoseconds()) / 1e3 / float64(r.records)
}

// quantile is the time that so great a part of all stayed below.
func (r result) quantile(part float64) time.Duration {
	if len(r.times) == 0 {
		return 0
	}
	return r.times[min(int(part*float64(len(r.times))), len(r.times)-1)]
}

func (r result) line() string {
	text := fmt.Sprintf("%-38s %9.0f records/s %8.2f µs CPU each, p50 %.2f ms, p99 %.2f ms, %d MB", r.task, r.perSecond(), r.perRecord(),
		ms(r.quantile(.5)), ms(r.quantile(.99)), r.rss>>20)
	if r.events > 0 {
		text += fmt.Sprintf(", %d events with %d records", r.events, r.pushed)
	}
	return text
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
