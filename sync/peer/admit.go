package peer

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"headgate/shardlog"
)

// serveJoin answers one newcomer. It closes the connection.
func (l *Links) serveJoin(ctx context.Context, c *conn, from netip.Addr) {
	defer c.Close()
	select {
	case l.joining <- struct{}{}:
		defer func() { <-l.joining }()
	default:
		l.counters.refused.Add(1)
		_ = writeGreeting(c, &shardlog.Error{Kind: shardlog.Unavailable, Op: "join", RetryAfter: time.Second})
		return
	}
	if l.c.Admit == nil {
		l.counters.refused.Add(1)
		_ = writeGreeting(c, shardlog.Errorf(shardlog.Unavailable, "join", "this gateway lets nobody in"))
		return
	}
	if writeGreeting(c, nil) != nil {
		return
	}
	text, err := readFrame(c, maxJoinRequest)
	if err != nil {
		l.counters.failed.Add(1)
		return
	}
	_ = c.SetDeadline(time.Now().Add(admitTime + l.c.Patience))
	answer, err := l.admit(ctx, text, from)
	if err != nil {
		told := wireOf(err)
		_ = writeFrame(c, joinResult{Error: &told})
		return
	}
	_ = writeFrame(c, joinResult{Answer: &answer}) // a newcomer that is gone asks again
}

// admit lets a newcomer in or says why not. What is wrong with a secret is the
// same to all who ask.
func (l *Links) admit(ctx context.Context, text []byte, from netip.Addr) (JoinAnswer, error) {
	r, err := parseJoinRequest(text)
	if err != nil {
		return JoinAnswer{}, err
	}
	if err := l.incompatible(r.ID, r.Protocol); err != nil {
		return JoinAnswer{}, err
	}
	wait, giveBack := l.guard.take(time.Now(), from)
	if wait > 0 {
		l.counters.refused.Add(1)
		return JoinAnswer{}, &shardlog.Error{Kind: shardlog.Throttled, Op: "join", RetryAfter: wait}
	}
	ctx, cancel := context.WithTimeout(ctx, admitTime)
	defer cancel()
	answer, err := l.c.Admit(ctx, r)
	switch {
	case err == nil:
		giveBack()
		l.counters.joins.Add(1)
		l.c.Log.Info("gateway let in", "gateway", r.ID, "address", r.Address, "from", from)
		return answer, nil
	case shardlog.KindOf(err) == shardlog.Denied:
		l.counters.refused.Add(1)
		l.c.Log.Warn("gateway not let in", "gateway", r.ID, "from", from, "error", err)
		return JoinAnswer{}, shardlog.Errorf(shardlog.Denied, "join", "the join code is wrong, used or too old: make a new one")
	default:
		giveBack()
		return JoinAnswer{}, err
	}
}

// How many wrong secrets are heard in a minute.
const (
	guardTime     = time.Minute
	maxWrong      = 30
	maxWrongFrom1 = 5
)

// guard bounds how often secrets can be tried.
type guard struct {
	mu    sync.Mutex
	tries []try // of the last minute, the oldest first; guarded by mu
}

type try struct {
	at   time.Time
	from netip.Addr
}

// take counts a try as a wrong one until it is given back, or says how long to
// wait before the next.
func (g *guard) take(now time.Time, from netip.Addr) (wait time.Duration, giveBack func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.tries) > 0 && now.Sub(g.tries[0].at) >= guardTime {
		g.tries = g.tries[1:]
	}
	if len(g.tries) >= maxWrong {
		return guardTime - now.Sub(g.tries[0].at), nil
	}
	var same []try
	for _, t := range g.tries {
		if t.from == from {
			same = append(same, t)
		}
	}
	if len(same) >= maxWrongFrom1 {
		return guardTime - now.Sub(same[0].at), nil
	}
	mine := try{now, from}
	g.tries = append(g.tries, mine)
	return 0, func() { g.forget(mine) }
}

func (g *guard) forget(mine try) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, t := range g.tries {
		if t == mine {
			g.tries = append(g.tries[:i:i], g.tries[i+1:]...)
			return
		}
	}
}
