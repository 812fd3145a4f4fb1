package forward

import (
	"context"
	"sync"

	"headgate/shardlog"
)

// desk is where what goes into the spool waits for the next row.
type desk struct {
	kick chan struct{} // something waits

	mu      sync.Mutex
	waiting []*slip // guarded by mu
	bytes   int     // guarded by mu
}

// slip is one Put, or the changes of one Mutate, that wait for the spool. Its
// outcome is written before done is closed.
type slip struct {
	n      shardlog.Numbered // its Entries are borrowed from the caller, who waits
	origin *origin           // of its number; nil: it has none yet
	bytes  int
	taken  bool // guarded by desk.mu: a row is made of it, the caller must wait
	done   chan struct{}
	back   bool // isolation is over: the leader is asked
	err    error
}

func newDesk() *desk { return &desk{kick: make(chan struct{}, 1)} }

func (d *desk) lay(s *slip) {
	d.mu.Lock()
	d.waiting = append(d.waiting, s)
	d.bytes += s.bytes
	d.mu.Unlock()
	signal(d.kick)
}

func (d *desk) load() (slips, bytes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting), d.bytes
}

// rowBytes is what a row holds before compression, unless one Put alone is larger.
const rowBytes = 256 << 10

// take takes what fits into one row.
func (d *desk) take() []*slip {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, bytes := 0, 0
	for n < len(d.waiting) {
		if bytes += d.waiting[n].bytes; n > 0 && bytes > rowBytes {
			bytes -= d.waiting[n].bytes
			break
		}
		d.waiting[n].taken = true
		n++
	}
	batch := d.waiting[:n:n]
	if d.waiting = d.waiting[n:]; len(d.waiting) == 0 {
		d.waiting = nil
	} else {
		signal(d.kick)
	}
	d.bytes -= bytes
	return batch
}

// withdraw takes a slip back; false when a row is made of it.
func (d *desk) withdraw(s *slip) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.taken {
		return false
	}
	for i, w := range d.waiting {
		if w == s {
			d.waiting = append(d.waiting[:i:i], d.waiting[i+1:]...)
			d.bytes -= s.bytes
			break
		}
	}
	return true
}

// keep lays a slip on the desk and waits for its end.
func (d *desk) keep(ctx context.Context, s *slip) (back bool, err error) {
	s.done = make(chan struct{})
	d.lay(s)
	select {
	case <-s.done:
	case <-ctx.Done():
		if d.withdraw(s) {
			return false, unavailable("spool", s.n.Stream, ctx.Err())
		}
		<-s.done
	}
	return s.back, s.err
}

// spool puts the parcel into the spool. back: it goes to the leader after all.
func (p *parcel) spool(ctx context.Context) (taken shardlog.Taken, back bool, err error) {
	s, ok := p.c.Catalog.Stream(p.n.Stream)
	if !ok {
		return taken, false, &shardlog.Error{Kind: shardlog.NotFound, Op: "put", Stream: p.n.Stream}
	}
	results, good, err := sift(p.n.Entries, s.LargestRecord(), len(p.n.With) > 0, p.origin != nil)
	if err == nil {
		err = shardlog.CheckMutations(p.n.With)
	}
	if err != nil {
		return taken, false, err
	}
	taken.Results = results
	if len(good) == 0 && (len(p.n.With) == 0 || len(p.n.Entries) > 0) {
		return taken, false, nil
	}
	n := p.n
	n.Stream, n.Entries = s.Name, good
	back, err = p.desk.keep(ctx, &slip{n: n, origin: p.origin, bytes: weigh(good) + weighChanges(n.With) + 64})
	return taken, back, err
}

// sift leaves out the entries that the log would refuse. Those of a Put with a
// number stay, since their places in it are known already.
func sift(entries []shardlog.Entry, largest int, whole, numbered bool) ([]shardlog.Result, []shardlog.Entry, error) {
	results := make([]shardlog.Result, len(entries))
	var good []shardlog.Entry
	for i := range entries {
		err := entries[i].Check(largest)
		switch {
		case err != nil && whole:
			return nil, nil, err
		case err != nil:
			results[i].Err = err
			if good == nil {
				good = append([]shardlog.Entry{}, entries[:i]...)
			}
			if numbered {
				good = append(good, entries[i])
			}
		case good != nil:
			good = append(good, entries[i])
		}
	}
	if good == nil {
		good = entries
	}
	return results, good, nil
}
