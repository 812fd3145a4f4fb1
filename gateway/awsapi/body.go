package awsapi

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// unfinished is the answer to a body that ended early or took too long. The
// client is most likely gone, but saying nothing would be a 200 without a body.
func unfinished(w http.ResponseWriter) *Error {
	w.Header()["Connection"] = []string{"close"}
	return &Error{Status: http.StatusRequestTimeout, Code: "RequestTimeoutException", Message: "The body did not arrive in time."}
}

// strangerBody is how much is read, and kept in memory meanwhile, for a client
// whose access key is not known here.
const strangerBody = 256 << 10

// strangersMemory is what all of them may take together, so that they, who will
// be refused, keep out nobody else.
const strangersMemory = 16 * strangerBody

// maxWait is how long a request stands in line for memory.
const maxWait = 10 * time.Second

// readBody reads the whole body into c.Body, having found room for it first.
func (d *Door) readBody(w http.ResponseWriter, c *Call) *Error {
	r := c.request
	room := r.ContentLength
	if room > MaxBody {
		return tooLarge(w)
	}
	if room < 0 {
		room = MaxBody // it does not say: it may become as large as any
	}
	if err := d.stranger(c); err != nil {
		if room > strangerBody {
			return err
		}
		c.memory = d.strangers
		if c.countAlso(&d.strange) > max(1, d.maxCalls/8) {
			return Busy("Too many requests are under way. Please try again.")
		}
	}
	if err := c.Hold(r.Context(), room); err != nil {
		return err
	}
	read := c.readUnknown
	if r.ContentLength >= 0 {
		read = c.readKnown
	}
	if err := read(w); err != nil || c.memory == d.strangers {
		return err
	}
	return c.inflate(w)
}

// stranger answers an error when the request names no access key of ours. It
// will be refused, but is to be told why in AWS's order.
func (d *Door) stranger(c *Call) *Error {
	if d.open {
		return nil
	}
	return d.verifier.known(c.request)
}

func (c *Call) readKnown(w http.ResponseWriter) *Error {
	n := int(c.request.ContentLength)
	if cap(c.Body) < n {
		c.Body = make([]byte, n)
	}
	c.Body = c.Body[:n]
	if _, err := io.ReadFull(c.request.Body, c.Body); err != nil {
		return unfinished(w)
	}
	return nil
}

func (c *Call) readUnknown(w http.ResponseWriter) *Error {
	body, err := io.ReadAll(http.MaxBytesReader(w, c.request.Body, MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(w)
	case err != nil:
		return unfinished(w)
	}
	c.Body = body
	c.Release(MaxBody - int64(len(body)))
	return nil
}

func tooLarge(w http.ResponseWriter) *Error {
	w.Header()["Connection"] = []string{"close"}
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException"}
}
