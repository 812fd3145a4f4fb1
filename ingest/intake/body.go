package intake

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"headgate/shardlog"
)

// firstRoom is what a body of unknown size begins with.
const firstRoom = 32 << 10

// room is the memory that one request holds of the Gate's. It is owned by the
// request's goroutine.
type room struct {
	of   *semaphore.Weighted
	held int64
}

// grow reports whether there are n bytes more.
func (r *room) grow(n int64) bool {
	if !r.of.TryAcquire(n) {
		return false
	}
	r.held += n
	return true
}

func (r *room) shrink(n int64) {
	r.of.Release(n)
	r.held -= n
}

func (r *room) free() { r.shrink(r.held) }

// read reads the body in the time it has. The deadline is taken back, since
// the server watches the connection while the request is worked on.
func (g *Gate) read(w http.ResponseWriter, r *http.Request, held *room) ([]byte, error) {
	if r.ContentLength > g.config.Packed {
		return nil, tooLarge(g.config.Packed, "as sent")
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(g.config.Arrive)) // a writer of tests has none
	defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	var from io.Reader = http.MaxBytesReader(w, r.Body, g.config.Packed)
	first := int64(firstRoom)
	switch strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))) {
	case "", "identity":
		if r.ContentLength >= 0 {
			first = min(r.ContentLength, g.config.Unpacked) + 1 // one more, to see the end
		}
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, g.unread("unpack body", err)
		}
		from = unpacked
	default:
		return nil, &shardlog.Error{Kind: shardlog.Invalid, Op: "unpack body", Err: ErrEncoding}
	}
	return g.fill(from, first, held)
}

// fill reads to the end, in room that doubles.
func (g *Gate) fill(from io.Reader, first int64, held *room) ([]byte, error) {
	most := g.config.Unpacked + 1
	size := min(first, most)
	if !held.grow(size) {
		return nil, busy("no memory for the body")
	}
	data := make([]byte, 0, size)
	for {
		n, err := from.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) >= most:
			return nil, tooLarge(g.config.Unpacked, "unpacked")
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, g.unread("read body", err)
		}
		if len(data) < cap(data) {
			continue
		}
		larger := min(2*size, most)
		if !held.grow(larger) {
			return nil, busy("no memory for the body")
		}
		data = append(make([]byte, 0, larger), data...)
		held.shrink(size)
		size = larger
	}
}

// unread is why a body could not be read.
func (g *Gate) unread(op string, err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(g.config.Packed, "as sent")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: op, RetryAfter: time.Second, Err: fmt.Errorf("it did not come within %v", g.config.Arrive)}
	default:
		return &shardlog.Error{Kind: shardlog.Invalid, Op: op, Err: err}
	}
}

func tooLarge(most int64, how string) error {
	return shardlog.Errorf(shardlog.LimitExceeded, "read body", "more than %d bytes %s", most, how)
}
