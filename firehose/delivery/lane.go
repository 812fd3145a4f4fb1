package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"headgate/shardlog"
)

// lane delivers one shard: it seals a batch, sends it, finishes it, and so on.
type lane struct {
	d           *Delivery
	shard       shardlog.Shard
	at          place
	backlogTurn bool      // owned by run, as lastLive
	lastLive    time.Time // when a batch was gathered ahead of the backlog

	fresh string // id of the first object sealed last, until it was first tried; owned by run

	mu    sync.Mutex
	state shardState // guarded by mu for those who ask; changed by run alone
	since time.Time  // guarded by mu: arrival of the oldest record not delivered; zero when there is none
}

// run delivers the shard until ctx ends or its stream is deleted. Any other error is tried again for ever: one shard that cannot be
// read now must not end the delivery of the others.
func (ln *lane) run(ctx context.Context) {
	for failures := 1; ctx.Err() == nil; failures++ {
		before := ln.state.Next
		interrupted, err := ln.turn(ctx)
		if ln.gone(err) {
			return
		}
		if errors.Is(err, errTaken) || interrupted {
			continue
		}
		if ln.state.Next > before {
			failures = 1
		}
		ln.d.note(err)
		pause(ctx, backoff(failures, shardlog.RetryAfter(err)))
	}
}

// turn works until an error, or until people order something else. At the end
// of the shard it waits for that: they may want the shard once more.
func (ln *lane) turn(ctx context.Context) (interrupted bool, err error) {
	turn, end, err := ln.d.control.begin(ctx, ln)
	if err != nil {
		return true, err
	}
	defer end()
	ln.fresh = ""
	err = ln.load(turn)
	for err == nil {
		err = ln.step(turn)
	}
	if errors.Is(err, errEnd) {
		ln.oldest(time.Time{})
		<-turn.Done()
	}
	return turn.Err() != nil, err
}

// gone reports whether err comes of a stream that was deleted.
func (ln *lane) gone(err error) bool {
	if shardlog.KindOf(err) != shardlog.NotFound {
		return false
	}
	_, exists := ln.d.c.Catalog.StreamByID(ln.shard.ID.Stream)
	return !exists
}

// errEnd says that a closed shard has been delivered to its end.
var errEnd = errors.New("end of shard")

// step sends what is sealed, or seals the next batch.
func (ln *lane) step(ctx context.Context) error {
	if len(ln.state.Intents) > 0 {
		return ln.send(ctx, ln.state.Intents[0])
	}
	g := ln.stretch(time.Now())
	t, err := ln.gather(ctx, g)
	if err != nil {
		return err
	}
	next := ln.state
	if ln.late(t, g, time.Now()) {
		return ln.save(ctx, next.overtake(ln.tip()))
	}
	in := t.intent(ln.shard.ID, ln.d.namer, ln.d.c.Spec.format())
	in.Transform = ln.d.transform
	next.Intents = []intent{in}
	ln.fresh = in.parts()[0].ID
	return ln.save(ctx, next)
}

// load reads the shard's state, and makes it for a shard that is new.
func (ln *lane) load(ctx context.Context) error {
	b, v, err := ln.d.c.States.Get(ctx, Space, ln.at.key)
	switch {
	case err == nil:
		s, err := decodeState(b)
		if err != nil {
			return err
		}
		ln.at.version = v
		ln.set(s)
		return nil
	case shardlog.KindOf(err) != shardlog.NotFound:
		return err
	}
	first := shardState{Next: ln.shard.Oldest}
	if ln.d.c.Spec.Start == Latest && ln.shard.Parent == nil && !ln.d.succeeds(ctx, ln.shard.ID.Stream) {
		first.Next = ln.shard.Next
	}
	ln.at.version = 0
	return ln.save(ctx, first)
}

// save makes a state durable, with the cursor that pins what follows it.
func (ln *lane) save(ctx context.Context, s shardState) error {
	text, err := encodeState(s)
	if err != nil {
		return err
	}
	cursor := shardlog.Mutation{
		Space: shardlog.Cursors, Key: shardlog.CursorKey(ln.shard.ID, consumer(ln.d.c.Spec.Name)),
		Value: shardlog.EncodeCursor(shardlog.Cursor{Next: s.Next, Pinned: ln.d.c.Spec.pinned()}),
	}
	if err := ln.d.ledger.save(ctx, &ln.at, text, cursor); err != nil {
		return err
	}
	ln.set(s)
	return nil
}

func (ln *lane) set(s shardState) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.state = s
}

func (ln *lane) oldest(t time.Time) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.since = t
}
