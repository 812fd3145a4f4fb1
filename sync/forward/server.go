package forward

import (
	"context"
	"io"
	"net/http"
	"sync"

	"headgate/shardlog"
)

// Handler is what other gateways call, on the peers' link: PutsPath,
// ControlPath and TipPath, by POST. What is refused is said inside of an
// answer with status 200; any other status means that nothing was done.
func (f *Carrier) Handler() http.Handler { return f.handler }

func (f *Carrier) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PutsPath, f.serve(f.servePuts))
	mux.HandleFunc("POST "+ControlPath, f.serve(f.serveOrder))
	mux.HandleFunc("POST "+TipPath, f.serve(f.serveTip))
	return mux
}

// serve reads a message within its sender's bounds and writes the answer.
func (f *Carrier) serve(answer func(ctx context.Context, body []byte) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller := ""
		if f.c.Caller != nil {
			caller = f.c.Caller(r.Context())
		}
		size := r.ContentLength
		if size < 0 || size > MaxMessage {
			http.Error(w, "a length of at most 17 MiB is needed", http.StatusRequestEntityTooLarge)
			return
		}
		if !f.guests.enter(caller, size) {
			f.reply(w, encodeRefusal(busy))
			return
		}
		defer f.guests.leave(caller, size)
		body := make([]byte, size)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			http.Error(w, "the message is cut off", http.StatusBadRequest)
			return
		}
		f.reply(w, answer(r.Context(), body))
	}
}

func (f *Carrier) reply(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(b) // a caller that is gone asks again
}

// leadsIn reports whether this gateway leads in that term. A message may have
// lain in a socket of a process that stood still, while its sender went on.
func (f *Carrier) leadsIn(term uint64) bool {
	l := f.c.Leadership
	return l.Leading() && l.Term() == term
}

func (f *Carrier) servePuts(ctx context.Context, body []byte) []byte {
	term, puts, err := decodePuts(body)
	switch {
	case err != nil:
		return encodeRefusal(malformed)
	case !f.leadsIn(term):
		return encodeRefusal(notLeading)
	}
	all := make([]outcome, len(puts))
	var group sync.WaitGroup
	for i := range puts {
		group.Go(func() { all[i].taken, all[i].err = f.c.Local.Take(ctx, puts[i]) })
	}
	group.Wait()
	f.counts.served.Add(uint64(len(puts)))
	return encodeOutcomes(f.c.Applied(), all)
}

func (f *Carrier) serveOrder(ctx context.Context, body []byte) []byte {
	term, o, err := decodeOrder(body)
	switch {
	case err != nil:
		return encodeRefusal(malformed)
	case !f.leadsIn(term):
		return encodeRefusal(notLeading)
	}
	err = f.follow(ctx, o)
	w := encoder{[]byte{wireVersion, byte(done)}}
	w.uint(f.c.Applied())
	w.fault(err)
	return w.b
}

func (f *Carrier) serveTip(_ context.Context, body []byte) []byte {
	term, shard, err := decodeTip(body)
	switch {
	case err != nil:
		return encodeRefusal(malformed)
	case !f.leadsIn(term):
		return encodeRefusal(notLeading)
	}
	last, err := f.ownTip(shard)
	w := encoder{[]byte{wireVersion, byte(done)}}
	w.fault(err)
	w.uint(uint64(last))
	return w.b
}

// guestBytes is how much of one peer's messages may be in progress.
const guestBytes = 16 << 20

// guests counts what is in progress, by peer.
type guests struct {
	mu    sync.Mutex
	bytes map[string]int64 // guarded by mu
}

// enter lets a message in; the first one whatever its size.
func (g *guests) enter(peer string, size int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if in := g.bytes[peer]; in > 0 && in+size > guestBytes {
		return false
	}
	if g.bytes == nil {
		g.bytes = map[string]int64{}
	}
	g.bytes[peer] += size
	return true
}

func (g *guests) leave(peer string, size int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bytes[peer] -= size; g.bytes[peer] == 0 {
		delete(g.bytes, peer)
	}
}

var _ shardlog.Control = control{}
