package gateway

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
)

// siteAdmin is what the command line asks of the site.
type siteAdmin interface {
	invite(ctx context.Context) (Invitation, error)
	removePeer(ctx context.Context, q removal) error
	simulateOutage(ctx context.Context, o Outage, yield func(OutageStep) error) error
	changeKeys(ctx context.Context, c access.Change) (access.Made, error)
	trustClock()
	shiftClock(by time.Duration, synced *bool)
	alone() bool
}

func (g *Gateway) alone() bool { return g.site == nil }

func (g *Gateway) trustClock() { g.streams.Clock().Trust() }

// shiftClock pretends that the wall clock is off, and that the kernel says so
// or not (nil: what it does say): to see what a wrong clock does.
func (g *Gateway) shiftClock(by time.Duration, synced *bool) {
	g.clockShift.Store(int64(by))
	g.clockSynced.Store(synced)
}

// now is the wall clock, as far off as somebody wants it to be.
func (g *Gateway) now() time.Time { return time.Now().Add(time.Duration(g.clockShift.Load())) }

// synced is what somebody wants the kernel to say of the clock, else what it says.
func (g *Gateway) synced(kernel func() bool) func() bool {
	return func() bool {
		if wanted := g.clockSynced.Load(); wanted != nil {
			return *wanted
		}
		return kernel()
	}
}

func (a *admin) invite(_ http.ResponseWriter, r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	return a.site.invite(ctx)
}

func (a *admin) removePeer(_ http.ResponseWriter, r *http.Request) (any, error) {
	if a.site.alone() {
		return nil, shardlog.Errorf(shardlog.Invalid, "remove gateway", "this gateway is alone")
	}
	return struct{}{}, a.site.removePeer(r.Context(), removal{ID: r.PathValue("id"), Force: r.URL.Query().Get("force") == "1"})
}

func (a *admin) trustClock(http.ResponseWriter, *http.Request) (any, error) {
	a.site.trustClock()
	return struct{}{}, nil
}

func (a *admin) shiftClock(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q struct {
		Offset string `json:"offset"`
		Synced *bool  `json:"synced,omitempty"`
	}
	if err := receive(r, &q); err != nil {
		return nil, err
	}
	by, err := time.ParseDuration(q.Offset)
	if err != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "shift clock", "%w", err)
	}
	a.site.shiftClock(by, q.Synced)
	return struct{}{}, nil
}

// Invite makes a code that lets one gateway in.
func (c *Client) Invite(ctx context.Context) (i Invitation, err error) {
	return i, c.call(ctx, http.MethodPost, "/site/invitations", nil, &i)
}

// RemovePeer takes a gateway out of the site.
func (c *Client) RemovePeer(ctx context.Context, id string, force bool) error {
	path := "/site/members/" + url.PathEscape(id)
	if force {
		path += "?force=1"
	}
	return c.call(ctx, http.MethodDelete, path, nil, nil)
}

// TrustClock says that the wall clock is right as it stands.
func (c *Client) TrustClock(ctx context.Context) error {
	return c.call(ctx, http.MethodPut, "/clock/trust", nil, nil)
}

// SimulateOutage cuts what the outage says, and answers what came of it.
func (c *Client) SimulateOutage(ctx context.Context, o Outage, step func(OutageStep)) (report OutageReport, err error) {
	return report, linedOf(ctx, c, http.MethodPost, "/outage", o, func(s OutageStep) error {
		if s.Report != nil {
			report = *s.Report
		}
		step(s)
		return nil
	})
}
