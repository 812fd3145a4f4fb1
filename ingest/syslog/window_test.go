package syslog_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/ingest/syslog"
	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
)

// TestBackPressure: while the log does not answer, a connection is read only
// until its window is full; then its sender blocks. Nothing counts as taken.
func TestBackPressure(t *testing.T) {
	var hold *shardlogtest.Hold
	r := start(t, func(r *rig, cfg *syslog.Config) {
		cfg.Window = 10
		hold = r.log.Hold()
	})
	c := dial(t, "tcp", r.tcp)
	line := "<13>1 - h a - - - " + strings.Repeat("x", 1000)
	sent := make(chan int)
	go func() { // until the kernel's buffers are full too
		n := 0
		for ; n < 100_000; n++ {
			_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)) // the write tells
			if _, err := fmt.Fprintf(c, "%s %d\n", line, n); err != nil {
				break
			}
		}
		sent <- n
	}()
	n := <-sent
	if n == 100_000 {
		t.Fatal("the sender never had to wait")
	}
	if s := r.Stats(); s.Pending != 10 || s.Taken != 0 || s.WindowWaits == 0 {
		t.Errorf("stats %+v", s)
	}
	hold.Release()
	eventually(t, "all that was sent is taken", func() bool { return r.Stats().Taken >= uint64(n) })
	inOrder(t, r.log.Records(syslog.DefaultStream)[:n], func(i int) string { return fmt.Sprint(" ", i) })
}

// TestWindowBytes: the window is also one of bytes, and one message always fits.
func TestWindowBytes(t *testing.T) {
	var hold *shardlogtest.Hold
	r := start(t, func(r *rig, cfg *syslog.Config) {
		cfg.WindowBytes, cfg.PendingBytes = 100, 1500
		hold = r.log.Hold()
	})
	for range 3 {
		c := dial(t, "tcp", r.tcp)
		for range 3 {
			send(t, c, "<13>1 - h a - - - "+strings.Repeat("x", 500)+"\n")
		}
	}
	eventually(t, "windows fill", func() bool { return r.Stats().WindowWaits >= 2 })
	if s := r.Stats(); s.Pending > 2 {
		t.Errorf("%d pending, two fit in all", s.Pending)
	}
	hold.Release()
	r.records(t, 9)
}

// TestBatches: messages that come while a Put is under way go in one Put.
func TestBatches(t *testing.T) {
	var hold *shardlogtest.Hold
	var puts atomic.Int32
	r := start(t, func(r *rig, cfg *syslog.Config) {
		hold = r.log.Hold()
		cfg.Writer = writer(func(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
			puts.Add(1)
			return r.log.Put(ctx, name, entries, with...)
		})
	})
	for i := range 20 {
		c := dial(t, "tcp", r.tcp)
		for j := range 50 {
			send(t, c, fmt.Sprintf("<13>1 - host%d a - - - %d\n", i, j))
		}
	}
	eventually(t, "all are read", func() bool { return r.Stats().Pending == 1000 })
	hold.Release()
	all, _ := r.records(t, 1000)
	inOrder(t, all, func(i int) string { return fmt.Sprint("- ", i) })
	if n := puts.Load(); n > 10 {
		t.Errorf("%d puts", n)
	}
}

// TestThrottled: shards that are over their rate make messages wait, and each
// host's order holds.
func TestThrottled(t *testing.T) {
	r := start(t, func(r *rig, cfg *syslog.Config) {
		r.log.Quota = &quota.Limits{RecordsIn: 200}
		cfg.Shards = 2
	})
	for i := range 8 {
		c := dial(t, "tcp", r.tcp)
		var b strings.Builder
		for j := range 100 {
			fmt.Fprintf(&b, "<13>1 - host%d a - - - %d\n", i, j)
		}
		send(t, c, b.String())
	}
	all, _ := r.records(t, 800)
	inOrder(t, all, func(i int) string { return fmt.Sprint("- ", i) })
	if s := r.Stats(); s.ThrottledWaits == 0 || len(s.Dropped) != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestLogFails: whatever the log answers to whole Puts, messages of a
// connection are kept until it can take them.
func TestLogFails(t *testing.T) {
	for _, kind := range []shardlog.Kind{shardlog.Unavailable, shardlog.Throttled, shardlog.Full, shardlog.NotFound, shardlog.Internal} {
		var left atomic.Int32
		left.Store(3)
		r := start(t, func(r *rig, _ *syslog.Config) {
			r.log.Fail = func(op string) error {
				if op == "put" && left.Add(-1) >= 0 {
					return shardlog.Errorf(kind, "put", "on purpose")
				}
				return nil
			}
		})
		c := dial(t, "tcp", r.tcp)
		send(t, c, "<13>1 - h a - - - 0\n<13>1 - h a - - - 1\n")
		all, _ := r.records(t, 2)
		inOrder(t, all, func(i int) string { return fmt.Sprint("- ", i) })
		r.stop()
		if s := r.Stats(); s.Taken != 2 || len(s.Dropped) != 0 {
			t.Errorf("%v: stats %+v", kind, s)
		}
	}
}

// TestStreamIsMade: when the door opens; and again if somebody deleted it or
// it could not be made at once.
func TestStreamIsMade(t *testing.T) {
	var left atomic.Int32
	left.Store(2)
	r := start(t, func(r *rig, cfg *syslog.Config) {
		cfg.Stream, cfg.Shards = "routers", 3
		r.log.Fail = func(op string) error {
			if op == "create stream" && left.Add(-1) >= 0 {
				return errors.New("on purpose")
			}
			return nil
		}
	})
	eventually(t, "a try", func() bool { return left.Load() < 2 })
	send(t, dial(t, "tcp", r.tcp), "<13>x\n")
	eventually(t, "a record", func() bool { return len(r.log.Records("routers")) == 1 })
	if s, _ := r.log.Stream("routers"); len(s.Shards) != 3 {
		t.Errorf("%d shards", len(s.Shards))
	}
}

// TestOneRefused: a message that the log does not take spoils no other.
func TestOneRefused(t *testing.T) {
	for _, whole := range []bool{true, false} {
		r := start(t, func(r *rig, cfg *syslog.Config) {
			cfg.Writer = writer(func(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
				refusal := shardlog.Errorf(shardlog.Invalid, "put", "on purpose")
				var good []shardlog.Entry
				for _, e := range entries {
					if !strings.Contains(string(e.Data), "bad") {
						good = append(good, e)
					}
				}
				if whole && len(good) < len(entries) {
					return nil, refusal
				}
				results, err := r.log.Put(ctx, name, good, with...)
				if err != nil {
					return nil, err
				}
				var all []shardlog.Result
				for _, e := range entries {
					if strings.Contains(string(e.Data), "bad") {
						all = append(all, shardlog.Result{Err: refusal})
						continue
					}
					all, results = append(all, results[0]), results[1:]
				}
				return all, nil
			})
		})
		send(t, dial(t, "tcp", r.tcp), "<13>1 - h a - - - 0\n<13>1 - h a - - - bad\n<13>1 - h a - - - 1\n<13>1 - h a - - - 2\n")
		all, _ := r.records(t, 3)
		inOrder(t, all, func(i int) string { return fmt.Sprint("- ", i) })
		eventually(t, "one is dropped", func() bool { return r.Stats().Dropped["invalid"] == 1 })
	}
}

// TestStop: what was written before the end is stored before the end.
func TestStop(t *testing.T) {
	r := start(t, func(r *rig, cfg *syslog.Config) {
		cfg.Writer = writer(func(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
			timer := time.NewTimer(20 * time.Millisecond)
			defer timer.Stop()
			<-timer.C
			return r.log.Put(ctx, name, entries, with...)
		})
		cfg.Window = 50
	})
	var wait sync.WaitGroup
	for i := range 4 {
		c := dial(t, "tcp", r.tcp)
		wait.Go(func() {
			var b strings.Builder
			for j := range 500 {
				fmt.Fprintf(&b, "<13>1 - host%d a - - - %d\n", i, j)
			}
			b.WriteString("<13>1 - half a - - - ")
			if _, err := c.Write([]byte(b.String())); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	eventually(t, "connections are open", func() bool { return r.Stats().Connections == 4 })
	r.stop()
	all, metas := r.records(t, 2004)
	cut := 0
	for i, m := range metas {
		if m.Cut {
			cut++
			if all[i].Key != "half" {
				t.Errorf("record %q is cut", all[i].Data)
			}
		}
	}
	if s := r.Stats(); cut != 4 || s.Taken != 2004 || len(s.Dropped) != 0 || s.Connections != 0 {
		t.Errorf("%d cut, stats %+v", cut, s)
	}
	if _, err := net.Dial("tcp", r.tcp); err == nil {
		t.Error("the door is still open")
	}
}

// TestStopWithoutLog: a log that does not answer holds up the end no longer
// than DrainTimeout, and what is lost is counted.
func TestStopWithoutLog(t *testing.T) {
	r := start(t, func(r *rig, cfg *syslog.Config) {
		cfg.DrainTimeout, cfg.Window = 50*time.Millisecond, 2
		r.log.Fail = func(op string) error {
			if op == "put" {
				return shardlog.Errorf(shardlog.Unavailable, "put", "on purpose")
			}
			return nil
		}
	})
	send(t, dial(t, "tcp", r.tcp), strings.Repeat("<13>x\n", 5))
	eventually(t, "the window is full", func() bool { return r.Stats().WindowWaits > 0 })
	r.stop()
	if s := r.Stats(); s.Dropped["stopped"] != 5 || s.Taken != 0 {
		t.Errorf("stats %+v", s)
	}
}
