package forward

import (
	"context"
	"time"

	"headgate/shardlog"
)

// Paths of the calls between gateways.
const (
	PutsPath    = "/v1/puts"
	ControlPath = "/v1/control"
	TipPath     = "/v1/tip"
)

// callTimeout is how long a leader may take over one message, besides what a
// slow link needs to carry it. Whether the leader is there is found out sooner.
const (
	callTimeout = 10 * time.Second
	slowLink    = 32 << 10 // bytes a second
)

// call is one call in flight.
type call struct {
	to    sight
	probe bool // asks whether the leader is there; isolation does not end it
	begun time.Time
	stop  context.CancelFunc
}

// look is who leads now.
func (f *Carrier) look() sight {
	l := f.c.Leadership
	return sight{leading: l.Leading(), alone: l.Alone(), term: l.Term(), leader: l.Leader()}
}

// send takes letters to the leader, one message at a time, until ctx ends.
func (f *Carrier) send(ctx context.Context) error {
	for {
		batch := f.outbox.gather()
		if len(batch) == 0 {
			select {
			case <-f.outbox.kick:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		f.deliverLetters(ctx, batch)
	}
}

func (f *Carrier) deliverLetters(ctx context.Context, batch []*letter) {
	puts := make([][]byte, len(batch))
	for i, l := range batch {
		puts[i] = l.bytes
	}
	to := f.look()
	answer, err := f.ask(ctx, to, PutsPath, encodePuts(to.term, puts))
	var outcomes []outcome
	if err == nil {
		if outcomes = answer.outcomes(); len(outcomes) != len(batch) || answer.end("decode outcomes") != nil {
			err = unknown("put", "", errMismatch)
		}
	}
	f.outbox.free(batch)
	for i, l := range batch {
		if l.err = err; err == nil {
			l.outcome = outcomes[i]
		}
		close(l.done)
	}
}

// ask calls the leader, and notes whether it answered. Kinds: Unavailable when
// nothing was done, else Unknown.
func (f *Carrier) ask(ctx context.Context, to sight, path string, body []byte) (*decoder, error) {
	inner, stop := context.WithTimeout(ctx, callTimeout+time.Duration(len(body))*time.Second/slowLink)
	defer stop()
	return f.run(inner, &call{to: to, stop: stop}, path, body)
}

func (f *Carrier) run(ctx context.Context, c *call, path string, body []byte) (*decoder, error) {
	switch {
	case f.c.Call == nil:
		return nil, unavailable("call leader", "", errNoPeers)
	case ctx.Err() != nil:
		return nil, unavailable("call leader", "", errEnded)
	case c.to.leader == "" || c.to.leading:
		return nil, unavailable("call leader", "", errNobody)
	case !f.register(c):
		return nil, unavailable("call leader", "", errIsolated)
	}
	reply, err := f.c.Call(ctx, c.to.leader, path, body)
	if err != nil {
		f.unregister(c, ctx.Err() == context.Canceled, false)
		if shardlog.KindOf(err) != shardlog.Unavailable || ctx.Err() != nil {
			return nil, unknown("call leader", "", err)
		}
		return nil, err
	}
	v, answer := openAnswer(reply)
	f.unregister(c, false, v == done || v == busy)
	return answer, v.err()
}

func (v verdict) err() error {
	switch v {
	case done:
		return nil
	case notLeading:
		return unavailable("call leader", "", errNot)
	case busy:
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "call leader", RetryAfter: leastRetry, Err: errBusy}
	default:
		return unknown("call leader", "", errMismatch)
	}
}

// register begins a call; false while isolated.
func (f *Carrier) register(c *call) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.iso.isolated && !c.probe {
		return false
	}
	c.begun = time.Now()
	f.calls[c] = struct{}{}
	f.counts.calls.Add(1)
	return true
}

// unregister ends a call. One that was given up by this gateway says nothing
// about the leader.
func (f *Carrier) unregister(c *call, given, answered bool) {
	f.observe(func(now time.Time) {
		delete(f.calls, c)
		switch {
		case given || c.to.leader != f.iso.sight.leader:
		case answered:
			f.iso.called(now, c.begun, true)
		default:
			f.counts.failedCalls.Add(1)
			f.iso.called(now, c.begun, false)
		}
	})
}
