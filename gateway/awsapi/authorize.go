package awsapi

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Need is one thing that a request takes permission for.
type Need struct {
	Action   string // "kinesis:PutRecord"; of a Service's or an Operation's Needs empty: what was asked for
	Resource string // its ARN; "*": nothing in particular
}

// Ask is a request that somebody decides about. It belongs to the Call.
type Ask struct {
	Caller Caller
	Action string // "kinesis:PutRecord"
	Source netip.Addr
	Secure bool // it came over TLS
	Now    time.Time

	call  *Call
	route *route
}

// Needs are what the request takes permission for, at least one thing. What it
// takes to find them out is spent when somebody asks, once. The error is the
// operation's: the request is about nothing that there could be.
func (a *Ask) Needs(ctx context.Context) ([]Need, error) {
	c := a.call
	if c.needs != nil {
		return c.needs, nil
	}
	find := a.route.op.Needs
	if find == nil {
		find = a.route.service.Needs
	}
	needs := []Need{{Resource: "*"}}
	if find != nil {
		var err error
		if needs, err = find(ctx, c); err != nil {
			return nil, err
		}
	}
	for i := range needs {
		if needs[i].Action == "" {
			needs[i].Action = a.Action
		}
	}
	c.needs = needs
	return needs, nil
}

// Event is a call as the audit tells it.
type Event struct {
	At        time.Time
	Action    string // "kinesis:CreateStream"
	Caller    Caller
	Resource  string // "" when the request did not say
	Source    netip.Addr
	RequestID string
	Code      string // of the error; "" when the call was done
	Data      bool   // of the data plane: told of when it is denied, and only then
}

// Denied reports whether the call was one that its caller may not make.
func (e *Event) Denied() bool { return e.Code == accessDenied }

const accessDenied = "AccessDeniedException"

// ask is the call as an authorizer sees it.
func (c *Call) ask(r *route) *Ask {
	source, _ := netip.ParseAddrPort(c.request.RemoteAddr)
	return &Ask{Caller: c.Caller, Action: r.action(), Source: source.Addr(), Secure: c.request.TLS != nil, Now: c.Now, call: c, route: r}
}

// action is the operation as policies name it.
func (r *route) action() string {
	if r.service.Actions != "" {
		return r.service.Actions + ":" + r.name
	}
	return r.service.Signing + ":" + r.name
}

// authorize asks whether the caller may do what it wants. Nobody is asked in
// open mode: there is no caller.
func (d *Door) authorize(ctx context.Context, c *Call, r *route) *Error {
	if d.open || d.authorizer == nil {
		return nil
	}
	err := d.explain(c, r, d.authorizer(ctx, c.ask(r)))
	if err != nil && err.Code == accessDenied && (c.format == formatREST || c.format == formatRaw) {
		err.Status = http.StatusForbidden
	}
	return err
}

// tell tells the audit of a call that is over.
func (d *Door) tell(ctx context.Context, c *Call, r *route, err *Error) {
	if d.audit == nil || r.op.Data && (err == nil || err.Code != accessDenied) {
		return
	}
	ask := c.ask(r)
	e := Event{At: c.Now, Action: ask.Action, Caller: c.Caller, Source: ask.Source, RequestID: c.RequestID, Data: r.op.Data}
	if err != nil {
		e.Code = err.Code
	}
	if c.In != nil || r.op.Upload || c.needs != nil {
		if needs, err := ask.Needs(context.WithoutCancel(ctx)); err == nil && needs[0].Resource != "*" {
			e.Resource = strings.ToValidUTF8(needs[0].Resource, "?")
		}
	}
	d.audit(e)
}
