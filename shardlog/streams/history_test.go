package streams_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"headgate/shardlog"
	"headgate/shardlog/quota"
	"headgate/shardlog/shardlogtest"
	"headgate/shardlog/streams"
)

// TestHistories writes from many sides while proposals fail in every way,
// callers give up and leaders come and go, and compares what was acknowledged
// with what the store holds.
func TestHistories(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			h := &history{random: rand.New(rand.NewPCG(seed, 1))}
			s := openSite(t, func(c *streams.Config) {
				c.Proposer.(*direct).before = h.fate
				c.Patience = 100 * time.Millisecond
				if seed%2 == 0 {
					c.Limits = quota.Limits{RecordsIn: 200}
				}
			})
			for _, name := range []shardlog.StreamName{"a", "b"} {
				h.insist(t, func() error { return s.CreateStream(t.Context(), shardlog.StreamSpec{Name: name, Shards: 3}) })
			}
			var writers sync.WaitGroup
			for w := range 8 {
				writers.Go(func() { h.write(t, s, w, rand.New(rand.NewPCG(seed, uint64(w+2)))) })
			}
			written := make(chan struct{})
			go func() { writers.Wait(); close(written) }()
			elect(s, written)
			report, err := h.ledger.Check(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if err := report.Err(); err != nil {
				t.Error(err)
			}
			if h.stored == 0 {
				t.Error("nothing was stored")
			}
		})
	}
}

// elect ends Run and begins it anew until all is written. When it returns
// nothing is under way, also nothing that callers gave up on.
func elect(s *site, written <-chan struct{}) {
	reign := time.NewTicker(30 * time.Millisecond)
	defer reign.Stop()
	stop := s.stop
	for {
		select {
		case <-written:
			stop()
			return
		case <-reign.C:
			stop()
			stop = run(context.Background(), s.Log)
		}
	}
}

type history struct {
	ledger shardlogtest.Ledger
	mu     sync.Mutex
	random *rand.Rand
	stored int
}

// fate lets one proposal in five fail.
func (h *history) fate(shardlog.Command) (apply bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.random.IntN(15) {
	case 0:
		return true, fail(shardlog.Unknown)
	case 1:
		return false, fail(shardlog.Unknown)
	case 2:
		return false, fail(shardlog.Unavailable)
	}
	return true, nil
}

// insist repeats a control command until it is done, by whichever try.
func (h *history) insist(t *testing.T, do func() error) {
	t.Helper()
	for range 100 {
		if err := do(); err == nil || kindOf(err) == "in use" {
			return
		}
	}
	t.Fatal("a hundred tries")
}

func (h *history) write(t *testing.T, s *site, w int, r *rand.Rand) {
	for n := range 60 {
		all := make([]shardlog.Entry, 1+r.IntN(40))
		for i := range all {
			all[i] = shardlog.Entry{Key: fmt.Sprint("w", w, "k", r.IntN(4)), Data: fmt.Appendf(nil, "%d.%d.%d", w, n, i)}
		}
		h.ledger.Try(all...)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if r.IntN(5) == 0 {
			ctx, cancel = context.WithTimeout(t.Context(), time.Duration(r.IntN(3000))*time.Microsecond)
		}
		var with []shardlog.Mutation
		if r.IntN(3) == 0 {
			with = append(with, absent(fmt.Sprint("x", r.IntN(30))))
		}
		results, err := s.Put(ctx, []shardlog.StreamName{"a", "b"}[r.IntN(2)], all, with...)
		cancel()
		if err == nil {
			for i, res := range results {
				h.ledger.Ack(all[i], res)
			}
			h.mu.Lock()
			h.stored++
			h.mu.Unlock()
		} else if k := kindOf(err); k != "unknown outcome" && k != "unavailable" && k != "conflict" {
			t.Errorf("put: %v", err)
		}
	}
}
