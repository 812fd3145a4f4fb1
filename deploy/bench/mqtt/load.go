package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"headgate/deploy/bench/internal/child"
	"headgate/deploy/bench/internal/publisher"
)

const payloadBytes = 128

// load is as many publishes as the windows let through.
type load struct {
	pid             int
	address         string
	clients, window int
	qos             byte
	subscribe       bool
}

// run warms up for a second and measures the time after it: what counts is
// when the acknowledgement arrives.
func (l load) run(length time.Duration) (Result, error) {
	if l.subscribe {
		if err := publisher.Subscribe(l.address, "away", l.qos, "bench/#"); err != nil {
			return Result{}, err
		}
	}
	var acked atomic.Uint64
	times := sample{}
	var clients []*publisher.Client
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	for i := range l.clients {
		c, err := publisher.DialQoS(l.address, fmt.Sprintf("bench-%03d", i), l.qos, l.window, func(d time.Duration) {
			if acked.Add(1)%64 == 0 {
				times.add(d)
			}
		})
		if err != nil {
			return Result{}, err
		}
		clients = append(clients, c)
	}
	var stop atomic.Bool
	var g errgroup.Group
	for i, c := range clients {
		g.Go(func() error { return publish(c, i, &stop) })
	}
	r, err := l.watch(length, &acked, &times)
	stop.Store(true)
	if err != nil {
		return r, err
	}
	return r, g.Wait()
}

// publish sends until it is told to stop, device-like JSON that differs from
// message to message.
func publish(c *publisher.Client, client int, stop *atomic.Bool) error {
	topic := fmt.Sprintf("bench/%03d", client)
	for n := 0; !stop.Load(); n++ {
		text := fmt.Appendf(nil, `{"device":"bench-%03d","seq":%d,"temperature":%d.%02d,"humidity":%d,"note":"`, client, n, 15+n*7%10, n*31%100, 40+n*13%30)
		for len(text) < payloadBytes-2 {
			text = append(text, 'a'+byte((n*len(text)*131>>3)%26))
		}
		if err := c.Publish(topic, append(text, '"', '}')); err != nil {
			return err
		}
	}
	return nil
}

func (l load) watch(length time.Duration, acked *atomic.Uint64, times *sample) (Result, error) {
	time.Sleep(time.Second)
	before, err := child.Measure(l.pid)
	if err != nil {
		return Result{}, err
	}
	times.reset()
	first, began := acked.Load(), time.Now()
	time.Sleep(length)
	count, took := acked.Load()-first, time.Since(began)
	after, err := child.Measure(l.pid)
	if err != nil {
		return Result{}, err
	}
	if count == 0 {
		return Result{}, nil // its row says so
	}
	u := after.Since(before)
	return Result{
		PerSecond: float64(count) / took.Seconds(), Median: times.at(0.5), Worst: times.at(0.99),
		CPU: float64(u.CPU.Microseconds()) / float64(count), RSS: u.RSS, Device: float64(u.Device) / float64(count),
	}, nil
}

// sample is some of the times that acknowledgements took.
type sample struct {
	mu    sync.Mutex
	times []time.Duration // guarded by mu
}

func (s *sample) add(d time.Duration) {
	s.mu.Lock()
	s.times = append(s.times, d)
	s.mu.Unlock()
}

func (s *sample) reset() {
	s.mu.Lock()
	s.times = s.times[:0]
	s.mu.Unlock()
}

// at is the quantile in milliseconds, 0 when there is no sample.
func (s *sample) at(quantile float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.times) == 0 {
		return 0
	}
	slices.Sort(s.times)
	return float64(s.times[int(quantile*float64(len(s.times)-1))].Microseconds()) / 1e3
}

// syncRate is how often a second the disk makes one appended message durable.
func syncRate(folder string, length time.Duration) (float64, error) {
	name := filepath.Join(folder, "syncs")
	f, err := os.Create(name)
	if err != nil {
		return 0, fmt.Errorf("measure syncs: %w", err)
	}
	defer os.Remove(name)
	defer f.Close()
	message := make([]byte, payloadBytes)
	began, n := time.Now(), 0
	for ; time.Since(began) < length; n++ {
		if _, err := f.Write(message); err != nil {
			return 0, fmt.Errorf("measure syncs: %w", err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, fmt.Errorf("measure syncs: %w", err)
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
