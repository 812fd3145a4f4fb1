package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"headgate/shardlog"
)

// retrySoon is the wait that a shortage of ours asks for.
const retrySoon = time.Second

// hoard is memory for one request out of what all may have. It is owned by the
// request.
type hoard struct {
	pool *semaphore.Weighted
	held int64
}

// take takes n bytes more. Kind Unavailable.
func (h *hoard) take(n int) error {
	if !h.pool.TryAcquire(int64(n)) {
		return &shardlog.Error{Kind: shardlog.Unavailable, Op: "take request: too many bytes at once", RetryAfter: retrySoon}
	}
	h.held += int64(n)
	return nil
}

// release gives all back.
func (h *hoard) release() { h.pool.Release(h.held) }

// body reads the request's body, out of gzip, of at most most bytes as sent.
// Memory is taken as it comes, so that who promises much and sends nothing
// holds nothing.
func (s *Server) body(w http.ResponseWriter, r *http.Request, most int, mine *hoard) ([]byte, error) {
	packed, err := encoding(r.Header.Values("Content-Encoding"))
	if err != nil {
		w.Header().Set("Accept-Encoding", "gzip")
		return nil, err
	}
	if r.ContentLength > int64(most) {
		return nil, tooLarge("a body of %d bytes, %d are allowed", r.ContentLength, most)
	}
	raw, err := gather(http.MaxBytesReader(w, r.Body, int64(most)), most, mine)
	if err != nil {
		return nil, unfinished(err, most)
	}
	deadline(w, time.Time{}) // or the server takes its end for the client's
	if !packed {
		return raw, nil
	}
	stream, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, badRequest("the body is not gzip: %w", err)
	}
	out, err := gather(stream, most*s.cfg.MaxUnpacked, mine)
	var ours *shardlog.Error
	switch {
	case errors.As(err, &ours), errors.Is(err, errLong):
		return nil, unfinished(err, most*s.cfg.MaxUnpacked)
	case err != nil:
		return nil, badRequest("the body is not gzip: %w", err)
	}
	return out, nil
}

// deadline bounds how long the rest of a request may take to come. It stays
// for requests that are refused: the server reads on behind an answer.
func deadline(w http.ResponseWriter, at time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(at) // a writer without a connection has none
}

// encoding reads Content-Encoding; packed when it is gzip.
func encoding(values []string) (packed bool, err error) {
	switch text := strings.ToLower(strings.TrimSpace(strings.Join(values, ","))); text {
	case "", "identity":
		return false, nil
	case "gzip", "x-gzip":
		return true, nil
	default:
		return false, &statusError{http.StatusUnsupportedMediaType, "unsupported encoding", "Content-Encoding " + quote(text) + ": send gzip or none"}
	}
}

// errLong is gather's answer to more than it may read.
var errLong = errors.New("more than is allowed")

// gather reads all of from, at most that many bytes.
func gather(from io.Reader, most int, mine *hoard) ([]byte, error) {
	const least = 4 << 10
	var b []byte
	for {
		if len(b) == cap(b) {
			size := min(max(2*cap(b), least), most+1)
			if size <= cap(b) {
				return nil, errLong
			}
			if err := mine.take(size - cap(b)); err != nil {
				return nil, err
			}
			b = append(make([]byte, 0, size), b...)
		}
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > most:
			return nil, errLong
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, err
		}
	}
}

// unfinished says why a body was not read to its end.
func unfinished(err error, most int) error {
	var long *http.MaxBytesError
	var ours *shardlog.Error
	var wire net.Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, errLong), errors.As(err, &long):
		return tooLarge("a body of more than %d bytes", most)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &wire) && wire.Timeout():
		return &statusError{http.StatusRequestTimeout, "timeout", "the body did not come in time"}
	default:
		return badRequest("read body: %w", err)
	}
}
