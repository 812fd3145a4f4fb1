package awsapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"
)

// MaxBody is the largest body taken: 10 MiB of records in base64 and what
// stands around them.
const MaxBody = 16 << 20

// Keys finds the secret of an access key.
type Keys interface {
	Secret(id string) (secret string, ok bool)
}

// Config is what a Door needs.
type Config struct {
	Services []Service
	Keys     Keys
	// Open takes every request without looking at its signature: for
	// development on loopback. Web pages from elsewhere are kept out.
	Open bool
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
	// ClockTrusted reports whether Now is near the truth. While it is not,
	// signatures are checked but not their age. Nil: always.
	ClockTrusted func() bool
	// Memory bounds the bytes of bodies and answers of all requests under
	// way. Zero: 64 MiB.
	Memory int64
	// Calls bounds the requests under way; more are told to try again. Those
	// that name no key of ours may be an eighth of them. Zero: 2048.
	Calls int64
	// Authorize says whether a caller may do what it asks for: nil, or why not
	// (an *Error, or what the Service explains). Nil: whoever has a key may do
	// everything. In open mode nobody is asked.
	Authorize func(ctx context.Context, ask *Ask) error
	// Audit is told of each call of the control plane, and of those of the data
	// plane that were denied. It must not wait. Nil: nobody is told.
	Audit func(e Event)
	// Flows bounds the answers that go on, such as subscriptions, which are
	// idle most of the time and no calls under way meanwhile. Zero: 16384.
	Flows int64
	// Log gets the faults of ours in full. Nil: slog.Default.
	Log *slog.Logger
}

// Validate answers what is wrong with the configuration.
func (c *Config) Validate() error {
	if c.Keys == nil && !c.Open {
		return errors.New("no keys, and not open: nobody could come in")
	}
	if c.Memory != 0 && c.Memory < MaxBody {
		return errors.New("memory must be at least 16 MiB, or zero for 64 MiB")
	}
	return nil
}

// Door answers the requests of all AWS-shaped services on one address. It is
// an http.Handler, safe for concurrent use, and starts nothing by itself.
type Door struct {
	open       bool
	verifier   verifier
	authorizer func(ctx context.Context, ask *Ask) error
	audit      func(e Event)
	routes     map[string]*route // by X-Amz-Target
	paths      map[string]*route // by the path of the request
	patterns   []pattern         // paths with members in them
	queries    map[string]*route // by version and Action of the query protocol
	now        func() time.Time
	memory     *memory
	strangers  *memory // for the bodies of those who name no key of ours
	maxCalls   int64
	maxFlows   int64
	under      atomic.Int64 // requests under way, without flows
	strange    atomic.Int64 // those of them that name no key of ours
	flows      atomic.Int64
	refused    atomic.Int64
	calls      calls
	log        *slog.Logger
}

// route is one operation of one service.
type route struct {
	service *Service
	name    string
	op      Operation
	stats   counters
}

// New makes a Door.
func New(c Config) (*Door, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d := &Door{open: c.Open, verifier: verifier{keys: c.Keys, trusted: c.ClockTrusted}, routes: make(map[string]*route), paths: make(map[string]*route), queries: make(map[string]*route),
		authorizer: c.Authorize, audit: c.Audit, now: c.Now, maxCalls: c.Calls, maxFlows: c.Flows, log: c.Log}
	if d.now == nil {
		d.now = time.Now
	}
	if d.verifier.trusted == nil {
		d.verifier.trusted = func() bool { return true }
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	if d.maxCalls == 0 {
		d.maxCalls = 2048
	}
	if d.maxFlows == 0 {
		d.maxFlows = 16384
	}
	if c.Memory == 0 {
		c.Memory = 64 << 20
	}
	d.memory, d.strangers = newMemory(c.Memory), newMemory(strangersMemory)
	for i := range c.Services {
		for name, op := range c.Services[i].Ops {
			one := &route{service: &c.Services[i], name: name, op: op}
			if op.Path != "" {
				d.addPath(one)
				continue
			}
			d.routes[c.Services[i].Target+"."+name] = one
			if namespace := c.Services[i].Query; namespace != "" {
				d.queries[path.Base(namespace)+"."+name] = one
			}
		}
	}
	return d, nil
}

// ServeHTTP answers one request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := d.calls.get()
	defer d.calls.put(c)
	c.request, c.memory, c.Now, c.RequestID = r, d.memory, d.now(), identify(w.Header(), r)
	c.use(firstFormat(r))
	defer c.count(nil)
	if c.count(&d.under) > d.maxCalls {
		d.refused.Add(1)
		c.fail(w, Busy("Too many requests are under way. Please try again."))
		return
	}
	if d.cross(w, r) {
		return
	}
	if route := d.byPath(c); route != nil {
		d.serveREST(w, c, route)
		return
	}
	if err := d.readBody(w, c); err != nil {
		d.refused.Add(1)
		c.fail(w, err)
		return
	}
	route, err := d.admit(c)
	if err != nil {
		d.refused.Add(1)
		c.fail(w, err)
		return
	}
	if route.op.Flow != nil {
		d.flow(w, c, route)
		return
	}
	d.serve(w, c, route)
}

// serve runs an admitted call and answers it.
func (d *Door) serve(w http.ResponseWriter, c *Call, route *route) {
	err := d.do(c.request.Context(), c, route)
	route.stats.count(err)
	d.tell(c.request.Context(), c, route, err)
	if err != nil {
		c.fail(w, err)
		return
	}
	c.answer(w, http.StatusOK)
}

func (d *Door) do(ctx context.Context, c *Call, route *route) *Error {
	if route.op.Fast == nil || !route.op.Fast(c) {
		if err := c.read(route); err != nil {
			return err
		}
	}
	if err := d.authorize(ctx, c, route); err != nil {
		return err
	}
	return d.explain(c, route, route.op.Do(ctx, c))
}

// read takes the body apart as the operation's input says.
func (c *Call) read(route *route) (err *Error) {
	switch c.format {
	case formatCBOR:
		c.In, err = ReadCBOR(c.Body, route.op.Input)
	case formatRPC:
		c.In, err = readRPC(c.Body, route.op.Input)
	case formatQuery, formatRaw:
		c.In, err = readForm(c.form, route.op.Input)
	default:
		c.In, err = Read(c.Body, route.op.Input)
	}
	if err != nil && err.Code == validation && route.service.Invalid != "" {
		err.Code = route.service.Invalid
	}
	return err
}

// explain is what clients see of an operation's error.
func (d *Door) explain(c *Call, route *route, err error) *Error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	known = route.service.Explain(err)
	if known.Code == "InternalFailure" {
		d.log.Error("aws api", "operation", route.name, "request", c.RequestID, "error", err)
	}
	return known
}

// find finds what a request wants, and whether it names anything.
func (d *Door) find(c *Call) (route *route, named bool) {
	r := c.request
	target := cmp.Or(r.Header.Get("X-Amz-Target"), query(r).Get("X-Amz-Target"), rpcTarget(r)) // presigning clients put it into the query
	if target == "" && contentType(r) == typeForm {
		var ok bool
		if c.form, ok = parseForm(c.Body); ok {
			return d.queries[c.form.Get("Version")+"."+c.form.Get("Action")], false
		}
	}
	service, operation, _ := strings.Cut(target, ".")
	return d.routes[target], service != "" && operation != ""
}

// admit finds what a request wants, and checks who wants it.
func (d *Door) admit(c *Call) (*route, *Error) {
	r := c.request
	route, named := d.find(c)
	c.route = route
	if err := checkForm(c, route != nil, named); err != nil {
		return nil, err
	}
	var denied *Error
	switch {
	case route == nil:
		denied = &Error{Code: "UnknownOperationException"}
	case d.open:
		c.Caller = Caller{Region: regionOf(r)}
	default:
		c.Caller, denied = d.verifier.verify(r, route.service.Signing, c.signedHash(), c.Now)
	}
	if denied != nil && !c.isObject() {
		return nil, serialization("")
	}
	return route, denied
}
