package awsapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"time"
)

// serveREST answers a request for an operation with a path.
func (d *Door) serveREST(w http.ResponseWriter, c *Call, route *route) {
	c.use(formatREST, typeCoral)
	if route.op.Raw {
		c.use(formatRaw, typeCoral)
	}
	if err := d.admitREST(w, c, route); err != nil {
		d.refused.Add(1)
		if route.op.Upload {
			w.Header()["Connection"] = []string{"close"} // what comes is not read
		}
		c.fail(w, err)
		return
	}
	if route.op.Flow == nil {
		d.serve(w, c, route)
		return
	}
	d.flow(w, c, route)
}

// admitREST checks who asks, and reads the body unless it is an upload.
func (d *Door) admitREST(w http.ResponseWriter, c *Call, route *route) *Error {
	r := c.request
	if method := route.op.method(); r.Method != method {
		return &Error{Status: http.StatusMethodNotAllowed, Code: "UnsupportedOperationException", Message: "This is asked for by " + method + "."}
	}
	hash := claimed(r)
	if !route.op.Upload {
		if err := d.readBody(w, c); err != nil {
			return err
		}
		hash = c.signedHash()
		if len(c.Body) == 0 && !route.op.Raw {
			c.Body = append(c.Body, "{}"...)
		}
	}
	if d.open {
		c.Caller = Caller{Region: regionOf(r)}
		return nil
	}
	caller, err := d.verifier.verify(r, route.service.Signing, hash, c.Now)
	if err != nil {
		err.Status = http.StatusForbidden
		return err
	}
	c.Caller = caller
	return nil
}

// claimed is what an upload says that its body's hash is: none, one, or that
// of nothing, which is what clients sign who do not know what they will send.
func claimed(r *http.Request) string {
	claim := r.Header.Get("X-Amz-Content-Sha256")
	if sum, err := hex.DecodeString(claim); claim == unsigned || err == nil && len(sum) == sha256.Size {
		return claim
	}
	return hashOf(nil)
}

// flow runs an operation that answers as it goes.
func (d *Door) flow(w http.ResponseWriter, c *Call, route *route) {
	if c.count(&d.flows) > d.maxFlows {
		d.refused.Add(1)
		c.fail(w, Busy("Too many answers that go on, such as subscriptions, are under way. Please try again."))
		return
	}
	f, ctx := &Flow{w: w, control: http.NewResponseController(w)}, c.request.Context()
	err := d.openFlow(ctx, w, c, route, f)
	if err == nil {
		err = d.explain(c, route, route.op.Flow(ctx, c, f))
	}
	route.stats.count(err)
	d.tell(ctx, c, route, err)
	switch {
	case err == nil && !f.began:
		c.answer(w, http.StatusOK)
	case err != nil && !f.began:
		c.fail(w, err)
	case err != nil:
		panic(http.ErrAbortHandler) // net/http's word for an answer that must not look whole
	}
}

// openFlow reads what comes before the operation may begin.
func (d *Door) openFlow(ctx context.Context, w http.ResponseWriter, c *Call, route *route, f *Flow) *Error {
	if route.op.Upload {
		w.Header()["Connection"] = []string{"close"}
	} else if err := c.read(route); err != nil {
		return err
	}
	if err := d.authorize(ctx, c, route); err != nil {
		return err
	}
	if route.op.Upload {
		_ = f.control.EnableFullDuplex() // HTTP/2 always has it
		f.Body = newUpload(c.request, f.control)
	} else {
		c.shed()
		_ = f.control.SetReadDeadline(time.Time{}) // it would end the context of an answer that takes long
	}
	return nil
}

// Flow is the body and the answer of an operation that reads and writes as it
// goes. It belongs to the operation until that returns.
type Flow struct {
	Body    io.Reader // of an upload; nil for other operations
	w       http.ResponseWriter
	control *http.ResponseController
	began   bool
	until   time.Time // the deadline of writes, as last set
}

// Idle is how long an upload may bring nothing, and how long a client may not
// take what it is sent.
const Idle = time.Minute

// Begin sends the head of the answer.
func (f *Flow) Begin(content string) error {
	f.began = true
	f.w.Header()["Content-Type"] = []string{content}
	f.allow()
	f.w.WriteHeader(http.StatusOK)
	return f.control.Flush()
}

// Write sends bytes. They may wait in a buffer until Flush.
func (f *Flow) Write(b []byte) (int, error) {
	f.allow()
	return f.w.Write(b)
}

// allow gives the next write its time. A deadline that is almost as far off
// stays: over HTTP/2 setting one wakes the goroutine that serves a thousand
// streams.
func (f *Flow) allow() {
	if now := time.Now(); f.until.Sub(now) < Idle*3/4 {
		f.until = now.Add(Idle)
		_ = f.control.SetWriteDeadline(f.until) // the writer that has none will do
	}
}

// Flush sends what waits.
func (f *Flow) Flush() error { return f.control.Flush() }

// upload is a body that is read as it comes.
type upload struct {
	body    io.Reader
	control *http.ResponseController
	claim   string
	sum     hash.Hash // nil: nothing is claimed
}

func newUpload(r *http.Request, control *http.ResponseController) *upload {
	u := &upload{body: r.Body, control: control, claim: claimed(r)}
	if u.claim != unsigned && u.claim != hashOf(nil) {
		u.sum = sha256.New()
	}
	return u
}

// errHash is the end of a body that is not what was signed.
var errHash = errors.New("the body is not the one that was signed")

// Read is io.Reader's. Where the client has signed a hash of the body, the end
// of another body is an error.
func (u *upload) Read(b []byte) (int, error) {
	_ = u.control.SetReadDeadline(time.Now().Add(Idle)) // a reader that has none will do
	n, err := u.body.Read(b)
	if err == io.EOF {
		_ = u.control.SetReadDeadline(time.Time{}) // what is still to be done may take its time
	}
	if u.sum == nil {
		return n, err
	}
	u.sum.Write(b[:n])
	if err == io.EOF && hex.EncodeToString(u.sum.Sum(nil)) != u.claim {
		return n, errHash
	}
	return n, err
}

// Header is a header of the request, "" when it has none such.
func (c *Call) Header(name string) string { return c.request.Header.Get(name) }

// Address is this door as the client reached it: scheme and host.
func (c *Call) Address() string {
	scheme := "http://"
	if c.request.TLS != nil {
		scheme = "https://"
	}
	return scheme + c.request.Host
}
