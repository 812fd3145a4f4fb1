package forward

import (
	"context"
	"errors"
	"sync"
	"time"

	"headgate/shardlog"
)

// outboxBytes is how much may wait for, or be in, calls to the leader.
const outboxBytes = 16 << 20

// outbox holds encoded Puts until a call takes them along.
type outbox struct {
	kick chan struct{} // a letter waits

	mu      sync.Mutex
	waiting []*letter     // guarded by mu
	bytes   int           // guarded by mu: of all letters, those in calls too
	room    chan struct{} // guarded by mu: closed when bytes shrinks
}

// letter is one encoded Put. Its outcome is written before done is closed.
type letter struct {
	bytes []byte
	sent  bool // guarded by outbox.mu: a call has it
	done  chan struct{}
	outcome
}

func newOutbox() *outbox {
	return &outbox{kick: make(chan struct{}, 1), room: make(chan struct{})}
}

var (
	errFull     = errors.New("too much waits for the leader")
	errNobody   = errors.New("no leader is known")
	errNot      = errors.New("the gateway asked does not lead")
	errBusy     = errors.New("the leader has too much of this gateway in progress")
	errEnded    = errors.New("this gateway is ending")
	errNoPeers  = errors.New("no way to other gateways")
	errMismatch = errors.New("the answer does not fit the message")
)

// post lets a letter in, and waits a while for room.
func (o *outbox) post(ctx context.Context, l *letter) error {
	var patient time.Time
	for {
		o.mu.Lock()
		if o.bytes == 0 || o.bytes+len(l.bytes) <= outboxBytes {
			o.waiting = append(o.waiting, l)
			o.bytes += len(l.bytes)
			o.mu.Unlock()
			signal(o.kick)
			return nil
		}
		room := o.room
		o.mu.Unlock()
		if patient.IsZero() {
			patient = time.Now().Add(patience)
		}
		if err := pause(ctx, time.Until(patient), room); err != nil {
			return err
		}
		if time.Until(patient) <= 0 {
			return errFull
		}
	}
}

func signal(kick chan struct{}) {
	select {
	case kick <- struct{}{}:
	default:
	}
}

// gather takes what fits into one message.
func (o *outbox) gather() []*letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, bytes := 0, 0
	for n < len(o.waiting) && n < messagePuts {
		if bytes += len(o.waiting[n].bytes); n > 0 && bytes > messageBytes {
			break
		}
		o.waiting[n].sent = true
		n++
	}
	batch := o.waiting[:n:n]
	if o.waiting = o.waiting[n:]; len(o.waiting) == 0 {
		o.waiting = nil
	} else {
		signal(o.kick)
	}
	return batch
}

// free gives the room of letters back.
func (o *outbox) free(batch []*letter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range batch {
		o.bytes -= len(l.bytes)
	}
	close(o.room)
	o.room = make(chan struct{})
}

// withdraw takes a letter back; false when a call has it.
func (o *outbox) withdraw(l *letter) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.sent {
		return false
	}
	for i, w := range o.waiting {
		if w == l {
			o.waiting = append(o.waiting[:i:i], o.waiting[i+1:]...)
			break
		}
	}
	o.bytes -= len(l.bytes)
	return true
}

// carry posts a Put to the leader and waits for its outcome. Kinds:
// Unavailable when nothing was taken, Unknown, and the leader's own.
func (f *Carrier) carry(ctx context.Context, n shardlog.Numbered) (shardlog.Taken, error) {
	switch {
	case f.c.Call == nil:
		return shardlog.Taken{}, unavailable("put", n.Stream, errNoPeers)
	case f.c.Leadership.Leader() == "":
		return shardlog.Taken{}, unavailable("put", n.Stream, errNobody)
	}
	l := &letter{bytes: encodePut(n), done: make(chan struct{})}
	if err := f.outbox.post(ctx, l); err != nil {
		return shardlog.Taken{}, unavailable("put", n.Stream, err)
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		if f.outbox.withdraw(l) {
			return shardlog.Taken{}, unavailable("put", n.Stream, ctx.Err())
		}
		select {
		case <-l.done:
		default:
			return shardlog.Taken{}, unknown("put", n.Stream, ctx.Err())
		}
	}
	if l.err == nil && len(l.taken.Results) != len(n.Entries) {
		return shardlog.Taken{}, unknown("put", n.Stream, errMismatch)
	}
	if l.err != nil && shardlog.KindOf(l.err) == shardlog.Conflict {
		f.catchUp(ctx, l.applied)
	}
	return l.taken, l.err
}
