package lambda

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// call is one invocation on its way.
type call struct {
	event []byte
	done  chan outcome // holds one
	id    string       // owned by runtime, once it took the call
	timer *time.Timer  // owned by runtime
}

type outcome struct {
	reply []byte
	err   error
}

func (c *call) end(reply []byte, err error) { c.done <- outcome{reply, err} }

// runtime is the Lambda Runtime API for one life of a bootstrap:
//
//	GET  /2018-06-01/runtime/invocation/next
//	POST /2018-06-01/runtime/invocation/ID/response
//	POST /2018-06-01/runtime/invocation/ID/error
//	POST /2018-06-01/runtime/init/error
//
// Any program on this machine can reach it while the bootstrap lives, as with
// every host of that API.
type runtime struct {
	host     *Host
	kill     context.CancelFunc // ends this life of the bootstrap
	listener net.Listener
	server   http.Server
	served   chan error
	over     chan struct{} // closed when this life ends

	mu      sync.Mutex
	current *call // guarded by mu: what the bootstrap works on
	up      bool  // guarded by mu: it asked for an event
	slow    bool  // guarded by mu: it is killed, for it took too long
	said    error // guarded by mu: why it did not come up
	ended   bool  // guarded by mu: its process is gone
}

// serve opens the API on a loopback port.
func serve(h *Host, kill context.CancelFunc) (*runtime, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open runtime API: %w", err)
	}
	r := &runtime{host: h, kill: kill, listener: l, served: make(chan error, 1), over: make(chan struct{})}
	const root = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root+"invocation/next", r.next)
	mux.HandleFunc("POST "+root+"invocation/{id}/response", r.response)
	mux.HandleFunc("POST "+root+"invocation/{id}/error", r.failure)
	mux.HandleFunc("POST "+root+"init/error", r.initFailure)
	r.server = http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { r.served <- r.server.Serve(l) }() // close waits for it
	return r, nil
}

func (r *runtime) address() string { return r.listener.Addr().String() }

func (r *runtime) close() {
	close(r.over)
	r.server.Close()
	<-r.served
}

// gone says that the bootstrap ended, and fails what it worked on. It reports
// whether the bootstrap had come up, and why it ended.
func (r *runtime) gone(why error) (up bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended = true; r.said != nil {
		why = r.said
	}
	if c := r.current; c != nil {
		r.current = nil
		c.timer.Stop()
		if r.slow {
			c.end(nil, failed(CodeTimedOut, "Task timed out after %v", r.host.c.Timeout))
		} else {
			c.end(nil, failed(CodeFailed, "the process ended: %s", short(why.Error())))
		}
	}
	return r.up, why
}

// next hands over an event when there is one.
func (r *runtime) next(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.up = true
	busy := r.current != nil
	r.mu.Unlock()
	if busy {
		http.Error(w, `{"errorType":"InvalidState","errorMessage":"an invocation is not answered"}`, http.StatusForbidden)
		return
	}
	select {
	case c := <-r.host.calls:
		r.hand(w, c)
	case <-q.Context().Done():
	case <-r.over:
	}
}

func (r *runtime) hand(w http.ResponseWriter, c *call) {
	deadline := time.Now().Add(r.host.c.Timeout)
	r.mu.Lock()
	if r.current != nil || r.ended { // another connection was faster, or nobody listens any more
		r.mu.Unlock()
		c.end(nil, errors.New("invoke function: the bootstrap is not there"))
		return
	}
	c.id = rand.Text()
	c.timer = time.AfterFunc(r.host.c.Timeout, func() { r.late(c) })
	r.current = c
	r.mu.Unlock()
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Lambda-Runtime-Aws-Request-Id", c.id)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:"+r.host.c.Region+":000000000000:function:"+r.host.c.Name)
	if _, err := w.Write(c.event); err != nil {
		r.kill() // it may have half an event
	}
}

// late kills a bootstrap that is still at a call when its time is over.
func (r *runtime) late(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == c {
		r.slow = true
		r.kill()
	}
}

// take is the present call, if the request answers that.
func (r *runtime) take(w http.ResponseWriter, q *http.Request) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.current
	if c == nil || c.id != q.PathValue("id") || r.slow {
		http.Error(w, `{"errorType":"InvalidRequestID","errorMessage":"no such invocation"}`, http.StatusBadRequest)
		return nil
	}
	r.current = nil
	c.timer.Stop()
	return c
}

func (r *runtime) response(w http.ResponseWriter, q *http.Request) {
	reply, err := io.ReadAll(io.LimitReader(q.Body, MaxPayload+1))
	if err != nil {
		return // gone with its process
	}
	c := r.take(w, q)
	if c == nil {
		return
	}
	if len(reply) > MaxPayload {
		c.end(nil, failed(CodeTooLarge, "the reply is larger than %d bytes", MaxPayload))
		http.Error(w, `{"errorType":"RequestEntityTooLarge","errorMessage":"the reply is too large"}`, http.StatusRequestEntityTooLarge)
		return
	}
	c.end(reply, nil)
	accept(w)
}

func (r *runtime) failure(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(io.LimitReader(q.Body, 64<<10))
	if err != nil {
		return
	}
	if c := r.take(w, q); c != nil {
		c.end(nil, functionError(body))
		accept(w)
	}
}

func (r *runtime) initFailure(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(io.LimitReader(q.Body, 64<<10))
	if err != nil {
		return
	}
	r.mu.Lock()
	r.said = functionError(body)
	r.mu.Unlock()
	accept(w)
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	json.NewEncoder(w).Encode(map[string]string{"status": "OK"})
}
