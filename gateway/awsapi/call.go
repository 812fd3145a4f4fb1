package awsapi

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Caller is who signed a request, and for which region.
type Caller struct {
	KeyID  string // empty in open mode without credentials
	Region string
	// SkewUnchecked is set when this gateway's clock is not trusted, so that
	// only the signature was checked and not its age.
	SkewUnchecked bool
}

// Call is one request on its way through an operation. It and all its bytes
// belong to the operation until Do returns, and are used again after that.
type Call struct {
	Caller    Caller
	RequestID string
	Now       time.Time // when the request was taken up
	Body      []byte
	In        Input // what Input described; nil when Fast read the body
	Parsed    any   // what Fast made; one with a method Reset is reset and kept for the next call, like Scratch
	Out       Reply
	Scratch   []byte // for Fast to decode into; kept from call to call

	route   *route     // what was asked for; nil until that is known
	form    url.Values // the body in the query protocol
	sum     string     // of a body that was unpacked: the hash of what came
	needs   []Need     // what it takes permission for; nil until somebody asked
	request *http.Request
	format  format
	content string // the type of what is answered
	memory  *memory
	held    int64
	counted []*atomic.Int64 // in which of the door's counts the call is
}

// maxKeptBuffer bounds what an idle gateway keeps of the largest requests it saw.
const maxKeptBuffer = 1 << 20

// TryHold counts n bytes more against the memory that all requests under way
// may use, until the call ends. It answers false when there is no room, and
// then counts nothing.
func (c *Call) TryHold(n int64) bool {
	if !c.memory.tryTake(n) {
		return false
	}
	c.held += n
	return true
}

// Hold is TryHold, but waits in line for room, a few seconds at most.
func (c *Call) Hold(ctx context.Context, n int64) *Error {
	if c.TryHold(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	held, err := c.memory.take(ctx, n)
	c.held += held
	if err != nil {
		return Busy("There is no memory for this request now. Please try again.")
	}
	return nil
}

// Release gives back n bytes that the call held.
func (c *Call) Release(n int64) {
	n = min(n, c.held)
	c.held -= n
	c.memory.give(n)
}

// count moves the call from the counts it is in to another, nil for none, and
// answers how many are in that now.
func (c *Call) count(in *atomic.Int64) int64 {
	for _, before := range c.counted {
		before.Add(-1)
	}
	c.counted = c.counted[:0]
	if in == nil {
		return 0
	}
	return c.countAlso(in)
}

// countAlso is count, but leaves the call where it is, too.
func (c *Call) countAlso(in *atomic.Int64) int64 {
	c.counted = append(c.counted, in)
	return in.Add(1)
}

// shed drops the buffers and the memory of a call that goes on for minutes.
// Blobs of In that lie in the body keep it.
func (c *Call) shed() {
	c.Release(c.held)
	c.Body, c.Scratch, c.Parsed, c.Out = nil, nil, nil, Reply{cbor: c.Out.cbor}
}

// calls keeps calls with their buffers.
type calls struct{ pool sync.Pool }

func (p *calls) get() *Call {
	if c, ok := p.pool.Get().(*Call); ok {
		return c
	}
	return &Call{}
}

func (p *calls) put(c *Call) {
	c.Release(c.held)
	parsed := c.Parsed
	if cap(c.Body)+cap(c.Scratch)+cap(c.Out.buf) > 3*maxKeptBuffer {
		return
	}
	*c = Call{Body: c.Body[:0], Scratch: c.Scratch[:0], Out: Reply{buf: c.Out.buf[:0]}, counted: c.counted[:0]}
	if keep, ok := parsed.(interface{ Reset() }); ok {
		keep.Reset()
		c.Parsed = parsed
	}
	p.pool.Put(c)
}
