package gateway

import (
	"context"
	"net/http"
	"net/url"

	"headgate/ingest/rules"
)

// ruleAdmin is what the socket does with rules.
type ruleAdmin struct {
	table    *rules.Table
	status   func(ctx context.Context) ([]RuleStatus, error)
	describe func(ctx context.Context, name string) (RuleStatus, error)
}

// ruleRoutes are the socket's calls about rules.
func (a *admin) ruleRoutes(handle func(pattern string, h func(http.ResponseWriter, *http.Request) (any, error))) {
	r := a.rules
	handle("GET /rules", func(_ http.ResponseWriter, q *http.Request) (any, error) {
		all, err := r.status(q.Context())
		return append([]RuleStatus{}, all...), err
	})
	handle("POST /rules", func(_ http.ResponseWriter, q *http.Request) (any, error) {
		var want Rule
		if err := receive(q, &want); err != nil {
			return nil, err
		}
		if _, err := r.table.Create(q.Context(), want); err != nil {
			return nil, err
		}
		return r.describe(q.Context(), want.Name)
	})
	handle("GET /rules/{rule}", func(_ http.ResponseWriter, q *http.Request) (any, error) {
		return r.describe(q.Context(), q.PathValue("rule"))
	})
	for pattern, do := range map[string]func(ctx context.Context, name string) error{
		"DELETE /rules/{rule}": r.table.Delete, "POST /rules/{rule}/disable": r.table.Disable, "POST /rules/{rule}/enable": r.table.Enable,
	} {
		handle(pattern, func(_ http.ResponseWriter, q *http.Request) (any, error) {
			return struct{}{}, do(q.Context(), q.PathValue("rule"))
		})
	}
}

// Rules lists all rules.
func (c *Client) Rules(ctx context.Context) (all []RuleStatus, err error) {
	return all, c.call(ctx, http.MethodGet, "/rules", nil, &all)
}

// Rule is one rule. Kind NotFound.
func (c *Client) Rule(ctx context.Context, name string) (r RuleStatus, err error) {
	return r, c.call(ctx, http.MethodGet, rulePath(name), nil, &r)
}

// CreateRule makes a rule, which sees what is stored from now on. Kinds:
// Invalid, InUse, NotFound.
func (c *Client) CreateRule(ctx context.Context, want Rule) (r RuleStatus, err error) {
	return r, c.call(ctx, http.MethodPost, "/rules", want, &r)
}

// DeleteRule ends a rule. Kind NotFound.
func (c *Client) DeleteRule(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, rulePath(name), nil, nil)
}

// DisableRule stops a rule; what is published meanwhile it never sees. Kind
// NotFound.
func (c *Client) DisableRule(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, rulePath(name)+"/disable", nil, nil)
}

// EnableRule has a rule see what is stored from now on. Kind NotFound.
func (c *Client) EnableRule(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, rulePath(name)+"/enable", nil, nil)
}

func rulePath(name string) string { return "/rules/" + url.PathEscape(name) }
