package webrtc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"headgate/ingest/chunk"
	"headgate/shardlog"
)

// Handler answers WHIP under /whip/{camera} and WHEP under /whep/{camera},
// sessions one level below.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, role := range map[string]Role{"/whip/{camera}": Publish, "/whep/{camera}": View} {
		mux.HandleFunc("POST "+path, s.guarded(role, s.post))
		mux.HandleFunc("GET "+path, s.guarded(role, s.present))
		mux.HandleFunc("OPTIONS "+path, options)
		mux.HandleFunc("PATCH "+path+"/{session}", s.guarded(role, s.patch))
		mux.HandleFunc("DELETE "+path+"/{session}", s.guarded(role, s.remove))
		mux.HandleFunc("GET "+path+"/{session}", s.guarded(role, s.present))
		mux.HandleFunc("OPTIONS "+path+"/{session}", options)
	}
	return mux
}

const (
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"
)

func options(w http.ResponseWriter, _ *http.Request) {
	crossOrigin(w)
	w.Header().Set("Accept-Post", typeSDP)
	w.Header().Set("Accept-Patch", typeFragment)
	w.WriteHeader(http.StatusOK)
}

// crossOrigin lets pages from anywhere ask: they need a token like everybody.
func crossOrigin(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "OPTIONS, GET, HEAD, POST, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
	h.Set("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch, Retry-After")
}

// call is one request that was let in.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	role   Role
	camera shardlog.StreamName
}

// guarded lets those in who may, before anything of the body is read.
func (s *Server) guarded(role Role, next func(c call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		crossOrigin(w)
		c := call{w, r, role, shardlog.StreamName(r.PathValue("camera"))}
		err := c.camera.Check()
		if err == nil {
			err = s.config.Authorize(r, c.camera, role)
		}
		if err == nil {
			err = next(c)
		}
		if err != nil {
			s.refuse(w, err)
		}
	}
}

// statusError is an error that the protocol has a code of its own for.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// refuse answers a problem (RFC 9457).
func (s *Server) refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var known *statusError
	switch kind := shardlog.KindOf(err); {
	case errors.As(err, &known):
		status = known.status
	case kind == shardlog.Invalid:
		status = http.StatusUnprocessableEntity
	case kind == shardlog.NotFound:
		status = http.StatusNotFound
	case kind == shardlog.InUse:
		status = http.StatusConflict
	case kind == shardlog.Denied:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer realm="headgate"`)
		s.stats.denied.Add(1)
	case kind == shardlog.Unavailable, kind == shardlog.Unknown, kind == shardlog.Full, kind == shardlog.LimitExceeded:
		status = http.StatusServiceUnavailable
	case kind == shardlog.Throttled:
		status = http.StatusTooManyRequests
	}
	if status >= 500 {
		s.stats.failed.Add(1)
	}
	if wait := shardlog.RetryAfter(err); wait > 0 || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait.Seconds()))))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": err.Error()}) // as above
}

// negotiateTime is how long an answer may take.
const negotiateTime = 10 * time.Second

// post opens a session.
func (s *Server) post(c call) error {
	s.stats.posts.Add(1)
	if err := s.limit(&s.posts, c); err != nil {
		return err
	}
	offer, err := body(c.r, typeSDP, maxOffer)
	if err != nil {
		return err
	}
	if err := checkOffer(offer, c.role); err != nil {
		return err
	}
	offer = oneWay(offer, c.role)
	ctx, cancel := context.WithTimeout(c.r.Context(), negotiateTime)
	defer cancel()
	var one *session
	var answer string
	if c.role == Publish {
		one, answer, err = s.publish(ctx, c.camera, offer)
	} else {
		one, answer, err = s.watch(ctx, s.seen(c.camera), offer, c.r.URL.Query())
	}
	if err != nil {
		if shardlog.KindOf(err) == shardlog.Unavailable {
			s.stats.limited.Add(1)
		}
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", typeSDP)
	h.Set("Location", strings.TrimSuffix(c.r.URL.Path, "/")+"/"+one.id)
	h.Set("ETag", one.tag())
	h.Set("Accept-Patch", typeFragment)
	c.w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(c.w, answer) // whoever has gone never connects
	return nil
}

// limit counts a request against its address. Kind Throttled.
func (s *Server) limit(r *rates, c call) error {
	if r.take(c.r.RemoteAddr, time.Now()) {
		return nil
	}
	s.stats.limited.Add(1)
	return &shardlog.Error{Kind: shardlog.Throttled, Op: "use session", RetryAfter: time.Second}
}

// body reads a body of a type, up to a bound.
func body(r *http.Request, want string, most int64) (string, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != want {
		return "", &statusError{http.StatusUnsupportedMediaType, "send " + want}
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err != nil {
		return "", badOffer("%w", err)
	}
	if int64(len(text)) > most {
		return "", &statusError{http.StatusRequestEntityTooLarge, "the body is too large"}
	}
	return string(text), nil
}

// present says that the address is there, to whoever looks.
func (s *Server) present(c call) error {
	if c.r.PathValue("session") != "" && s.find(c) == nil {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "find session"}
	}
	c.w.Header().Set("Accept-Post", typeSDP)
	if c.role == View && c.r.Method == http.MethodHead {
		c.w.Header().Set("Content-Type", typeSDP)
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// patch adds candidates, or begins ICE anew.
func (s *Server) patch(c call) error {
	if err := s.limit(&s.changes, c); err != nil {
		return err
	}
	one := s.find(c)
	if one == nil {
		return &shardlog.Error{Kind: shardlog.NotFound, Op: "find session"}
	}
	text, err := body(c.r, typeFragment, maxFragment)
	if err != nil {
		return err
	}
	f, err := parseFragment(text)
	if err != nil {
		return err
	}
	match := c.r.Header.Get("If-Match")
	switch {
	case match == "" && c.role == Publish: // players leave it out
		return &statusError{http.StatusPreconditionRequired, "send If-Match"}
	case match == "*" && f.ufrag == "":
		return badFragment("a restart needs ice-ufrag and ice-pwd")
	case match == "*":
		return s.restarted(c, one, f)
	case match != "" && match != one.tag():
		return &statusError{http.StatusPreconditionFailed, "the session has gone on since"}
	}
	one.trickle(f)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) restarted(c call, one *session, f fragment) error {
	ctx, cancel := context.WithTimeout(c.r.Context(), negotiateTime)
	defer cancel()
	answer, err := one.restart(ctx, f)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", typeFragment)
	c.w.Header().Set("ETag", one.tag())
	c.w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(c.w, answer) // as in post
	return nil
}

// remove ends a session. One that has ended already is as good.
func (s *Server) remove(c call) error {
	if err := s.limit(&s.changes, c); err != nil {
		return err
	}
	if one := s.find(c); one != nil {
		one.end(chunk.Left)
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}
