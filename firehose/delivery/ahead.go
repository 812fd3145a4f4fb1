package delivery

import (
	"time"

	"headgate/shardlog"
)

// span is a run of records.
type span struct {
	From shardlog.Seq `json:"from"`
	To   shardlog.Seq `json:"to"` // the last one; before From while there is none
}

func (s span) count() uint64 { return uint64(s.To + 1 - s.From) }

const (
	maxAhead  = 8                // spans: outages that begin before the backlog of the last one is gone
	lateAfter = 10 * time.Minute // a batch whose oldest record is older waits behind what comes now
)

// stretch is what the next batch is gathered from.
type stretch struct {
	from shardlog.Seq
	to   shardlog.Seq // the record before which it ends; zero: the shard's end
	live bool         // what is there is taken at once, without waiting for more
}

// stretch says where the next batch begins. With a backlog and newest first
// there are two places in turn: where the newest records come, ahead, and the
// backlog behind them. A batch of each is sent while both have some.
func (ln *lane) stretch(now time.Time) stretch {
	s := ln.state
	if len(s.Ahead) == 0 {
		return stretch{from: s.after()}
	}
	live := s.Ahead[len(s.Ahead)-1].To + 1
	if ln.backlogTurn = !ln.backlogTurn; !ln.backlogTurn && now.Sub(ln.lastLive) >= ln.d.c.Spec.interval() && ln.tip() > live {
		ln.lastLive = now
		return stretch{from: live, live: true}
	}
	return stretch{from: s.Next, to: s.Ahead[0].From}
}

// tip is the number that the shard's next record will have.
func (ln *lane) tip() shardlog.Seq {
	stream, _ := ln.d.c.Catalog.StreamByID(ln.shard.ID.Stream)
	for _, sh := range stream.Shards {
		if sh.ID == ln.shard.ID {
			return sh.Next
		}
	}
	return 0
}

// late reports whether a batch is a backlog's, to which newest first applies:
// then what comes from now on goes ahead of it.
func (ln *lane) late(t *tally, g stretch, now time.Time) bool {
	if !ln.d.c.Spec.NewestFirst || t.empty() || len(ln.state.Ahead) == maxAhead || now.Sub(t.oldest) < max(lateAfter, 2*ln.d.c.Spec.interval()) {
		return false
	}
	return (len(ln.state.Ahead) == 0 || g.live) && ln.tip() > t.end()+1
}

// overtake begins a span at the tip.
func (s shardState) overtake(tip shardlog.Seq) shardState {
	s.Ahead = append(s.Ahead[:len(s.Ahead):len(s.Ahead)], span{From: tip, To: tip - 1})
	return s
}

// finish takes a finished intent into account. Where the backlog meets what
// went ahead of it, they become one.
func (s shardState) finish(in intent) shardState {
	s.Intents = nil
	if n := len(s.Ahead); n > 0 && in.From > s.Next {
		ahead := append([]span(nil), s.Ahead...)
		ahead[n-1].To = in.Last
		s.Ahead = ahead
		return s
	}
	s.Next = in.Last + 1
	for len(s.Ahead) > 0 && s.Ahead[0].From <= s.Next {
		s.Next = max(s.Next, s.Ahead[0].To+1)
		s.Ahead = s.Ahead[1:]
	}
	if len(s.Ahead) == 0 {
		s.Ahead = nil
	}
	return s
}
