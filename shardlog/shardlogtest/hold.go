package shardlogtest

import (
	"context"

	"headgate/shardlog"
)

// Hold keeps Puts from being stored and answered, so that a test can see
// what a door does meanwhile.
type Hold struct {
	m    *Memory
	puts []*put        // guarded by m.mu
	more chan struct{} // closed and replaced when a Put joins; guarded by m.mu
}

// Hold holds every Put from now on until Release. While a hold is in force it
// answers that one.
func (m *Memory) Hold() *Hold {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hold == nil {
		m.hold = &Hold{m: m, more: make(chan struct{})}
	}
	return m.hold
}

// Wait returns when at least n Puts are held, or answers Unavailable when ctx
// ends before.
func (h *Hold) Wait(ctx context.Context, n int) error {
	for {
		h.m.mu.Lock()
		held, more := len(h.puts), h.more
		h.m.mu.Unlock()
		if held >= n {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return &shardlog.Error{Kind: shardlog.Unavailable, Op: "wait for puts", Err: ctx.Err()}
		}
	}
}

// Release stores what is held, in the order of the calls, and ends the hold.
// A Put whose context ended was answered Unknown; it is stored all the same.
func (h *Hold) Release() {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	for _, p := range h.puts {
		h.m.apply(p)
	}
	h.puts = nil
	if h.m.hold == h {
		h.m.hold = nil
	}
}

func (h *Hold) add(p *put) {
	h.puts = append(h.puts, p)
	close(h.more)
	h.more = make(chan struct{})
}
