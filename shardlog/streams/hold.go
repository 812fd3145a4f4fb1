package streams

import (
	"context"

	"headgate/shardlog"
)

// While the clock is not trusted to expire anything, a row of state says so:
// without it a restart would take the stamps of a wrong clock for the truth,
// and expire by them. The row is written by the first command stamped so.
const (
	clockSpace shardlog.Space = "clock"
	holdKey                   = "hold"
)

// recallHold takes up a hold that an earlier run has noted.
func (l *Log) recallHold(ctx context.Context) {
	_, _, err := l.c.States.Get(ctx, clockSpace, holdKey)
	found := err == nil
	if found && !l.clock.Stamp().Held {
		l.clock.Hold()
	}
	l.mu.Lock()
	l.noted = found
	l.mu.Unlock()
}

// noteHold adds the note to the mutations of a command when it is due.
func (l *Log) noteHold(with []shardlog.Mutation, stamp Stamp) []shardlog.Mutation {
	if !stamp.Held {
		return with
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.noted {
		return with
	}
	return append(with, shardlog.Mutation{Space: clockSpace, Key: holdKey, Value: []byte(stamp.At.Format("2006-01-02T15:04:05Z"))})
}

// endHold takes the note away once records may expire again.
func (l *Log) endHold(ctx context.Context) error {
	l.mu.Lock()
	noted := l.noted
	l.mu.Unlock()
	if !noted || l.clock.Stamp().Held {
		return nil
	}
	if err := l.Mutate(ctx, shardlog.Mutation{Space: clockSpace, Key: holdKey}); err != nil {
		return err
	}
	l.mu.Lock()
	l.noted = false
	l.mu.Unlock()
	return nil
}
