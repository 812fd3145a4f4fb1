package store

import (
	"context"
	"io"
	"time"
)

// pace keeps work to so many bytes a second. It is used by one goroutine.
type pace struct {
	rate int // zero: as fast as it goes
	due  time.Time
}

// paceAhead is how much may be made up for after a stall.
const paceAhead = 100 * time.Millisecond

func newPace(rate int) *pace { return &pace{rate: rate} }

// spend waits until n more bytes are within the rate.
func (p *pace) spend(ctx context.Context, n int) error {
	if p.rate <= 0 || n <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	if least := now.Add(-paceAhead); p.due.Before(least) {
		p.due = least
	}
	p.due = p.due.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	return wait(ctx, p.due.Sub(now))
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// reader reads from r at the pace.
func (p *pace) reader(ctx context.Context, r io.Reader) io.Reader { return pacedReader{ctx, p, r} }

// pacedReader lives as long as one call, whose context it holds.
type pacedReader struct {
	ctx context.Context
	p   *pace
	r   io.Reader
}

func (r pacedReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if e := r.p.spend(r.ctx, n); err == nil {
		err = e
	}
	return n, err
}
