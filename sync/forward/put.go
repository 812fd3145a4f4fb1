package forward

import (
	"context"
	"errors"
	"time"

	"headgate/shardlog"
)

// Writer is the door for Puts. One that spools acknowledges Puts while this
// gateway is isolated, with results that have no sequence number; for doors
// that must answer with one, spools is false, and they get Unavailable then.
//
// A Put that may have been taken is handed in again under its number until
// its outcome is known, its context ends (Unknown) or isolation begins. While
// the spool holds entries of a stream, Puts of that stream wait behind it for
// a while, and are answered Unavailable after that. A Put with mutations
// returns when this gateway has applied it; one that is cut off before answers
// Unknown, or with spools, for a door that reads nothing back, what it stored.
func (f *Carrier) Writer(spools bool) shardlog.Writer { return writer{f, spools} }

type writer struct {
	*Carrier
	spools bool
}

// Put is shardlog.Writer's.
func (w writer) Put(ctx context.Context, stream shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable("put", stream, err)
	}
	if n := weigh(entries) + weighChanges(with); n > maxPut {
		return nil, shardlog.Errorf(shardlog.Invalid, "put", "%d bytes at once, %d are allowed", n, maxPut)
	}
	p := &parcel{Carrier: w.Carrier, spools: w.spools, n: shardlog.Numbered{Stream: stream, Entries: entries, With: with}}
	defer p.close()
	taken, err := p.deliver(ctx)
	if err != nil {
		return nil, err
	}
	if len(with) > 0 {
		if err := w.await(ctx, taken.Index); err != nil && !(w.spools && errors.Is(err, errIsolated)) {
			return nil, unknown("put", stream, err)
		}
	}
	return taken.Results, nil
}

func weigh(entries []shardlog.Entry) (bytes int) {
	for i := range entries {
		bytes += entries[i].Size() + len(entries[i].Meta)
	}
	return bytes
}

func weighChanges(with []shardlog.Mutation) (bytes int) {
	for i := range with {
		bytes += len(with[i].Space) + len(with[i].Key) + len(with[i].Value) + 16
	}
	return bytes
}

// parcel is one Put on its way. It is owned by its caller's goroutine.
type parcel struct {
	*Carrier
	n      shardlog.Numbered
	spools bool
	origin *origin // of its number; nil: it has none yet
	doubt  error   // the last attempt that may have been taken
	last   error   // the last attempt
}

// close gives the number back.
func (p *parcel) close() {
	if p.origin == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.origin.settle(p.n.ID.Number)
	if p.origin != p.direct && len(p.origin.open) == 0 {
		p.wake() // the log may forget it
	}
}

// way is where a Put goes now.
type way int

const (
	straight way = iota // to the leader
	behind              // nowhere: the spool is first
	aside               // into the spool
	nowhere             // it is refused
)

// choose finds the way. The channel is closed when it may be another.
func (p *parcel) choose() (way, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.iso.isolated && p.spools && p.keeps(p.n.Stream):
		return aside, p.changed
	case p.iso.isolated:
		return nowhere, p.changed
	case p.queue.holds(p.n.Stream):
		return behind, p.changed
	}
	if p.origin == nil {
		p.origin = p.direct
		p.n.ID = p.origin.id(p.c.Gateway, p.origin.take())
	}
	p.n.Settled = 0
	if p.origin == p.direct {
		p.n.Settled = p.origin.settled()
		p.idle.at = time.Now()
		p.idle.told = p.n.Settled
	}
	return straight, p.changed
}

func (f *Carrier) keeps(stream shardlog.StreamName) bool {
	return f.c.Spool != nil && (f.c.Isolated == nil || f.c.Isolated(stream) != Refuse)
}

var (
	errIsolated = errors.New("no leader can be reached")
	errBehind   = errors.New("what was spooled before is stored first")
)

// deliver brings the Put to its end.
func (p *parcel) deliver(ctx context.Context) (shardlog.Taken, error) {
	var patient time.Time
	for wait := leastRetry; ; wait = min(2*wait, mostRetry) {
		way, changed := p.choose()
		switch way {
		case aside:
			taken, back, err := p.spool(ctx)
			if !back {
				return taken, p.sure(err)
			}
			continue
		case nowhere:
			return shardlog.Taken{}, p.sure(unavailable("put", p.n.Stream, errIsolated))
		case behind:
			if patient.IsZero() {
				patient = time.Now().Add(patience)
			}
			wait = time.Until(patient)
			if wait <= 0 {
				return shardlog.Taken{}, p.sure(unavailable("put", p.n.Stream, errBehind))
			}
		case straight:
			taken, err := p.attempt(ctx)
			if p.final(taken, err) {
				return taken, p.certain(err)
			}
		}
		if err := pause(ctx, wait, changed); err != nil {
			if p.last != nil {
				err = errors.Join(err, p.last)
			}
			return shardlog.Taken{}, p.sure(unavailable("put", p.n.Stream, err))
		}
		if way == behind {
			wait = leastRetry
		}
		wait = anew(wait, changed)
	}
}

// anew is a wait that begins anew when something has changed: a leader that
// was elected just now is not ready for a moment, and must not be left alone
// for as long as the one that was gone.
func anew(wait time.Duration, changed <-chan struct{}) time.Duration {
	select {
	case <-changed:
		return leastRetry / 2 // it doubles with the next attempt
	default:
		return wait
	}
}

// pause waits, but not for longer than nothing changes.
func pause(ctx context.Context, wait time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// attempt hands the Put to whoever leads.
func (p *parcel) attempt(ctx context.Context) (shardlog.Taken, error) {
	return p.hand(ctx, p.n)
}

// final reports whether an attempt has decided the Put.
func (p *parcel) final(taken shardlog.Taken, err error) bool {
	if err == nil {
		for _, r := range taken.Results {
			if r.Err != nil && shardlog.KindOf(r.Err) == shardlog.Unknown {
				p.doubt, p.last = r.Err, r.Err
				return false
			}
		}
		return true
	}
	p.last = err
	switch shardlog.KindOf(err) {
	case shardlog.Unavailable, shardlog.Moved:
		return false
	case shardlog.Unknown:
		p.doubt = err
		return false
	default:
		return true
	}
}

// certain is a leader's last word. It looks for the number before it refuses,
// so a refusal is one whatever was in doubt, unless it failed itself.
func (p *parcel) certain(err error) error {
	if err == nil {
		return nil
	}
	switch shardlog.KindOf(err) {
	case shardlog.Internal:
		return p.sure(err)
	case shardlog.Expired:
		return unknown("put", p.n.Stream, err)
	}
	return err
}

// sure makes an error of a Put that may have been taken Unknown.
func (p *parcel) sure(err error) error {
	if err == nil || p.doubt == nil || shardlog.KindOf(err) == shardlog.Unknown {
		return err
	}
	return unknown("put", p.n.Stream, errors.Join(err, p.doubt))
}

// await waits until this gateway has applied a command. It answers errIsolated
// as soon as that may take for as long as nobody knows: the command is agreed
// on all the same, and whoever waits for it must not stand still with a device
// behind it.
func (f *Carrier) await(ctx context.Context, index uint64) error {
	for wait := time.Millisecond; f.c.Applied() < index; wait = min(2*wait, leastRetry) {
		f.mu.Lock()
		isolated, changed := f.iso.isolated, f.changed
		f.mu.Unlock()
		if isolated {
			return errIsolated
		}
		if err := pause(ctx, wait, changed); err != nil {
			return err
		}
	}
	return nil
}
