package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"headgate/ingest/shadow"
	"headgate/shardlog"
)

func (a *admin) shadowRoutes(handle func(string, func(http.ResponseWriter, *http.Request) (any, error))) {
	one := func(do func(ctx context.Context, id shadow.ID, body []byte) ([]byte, error)) func(http.ResponseWriter, *http.Request) (any, error) {
		return func(_ http.ResponseWriter, r *http.Request) (any, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, shardlog.Errorf(shardlog.Invalid, "read request", "%w", err)
			}
			document, err := do(r.Context(), shadow.ID{Thing: r.PathValue("thing"), Name: r.URL.Query().Get("name")}, body)
			return json.RawMessage(document), ofShadow(err)
		}
	}
	handle("GET /things/{thing}/shadows", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		names, err := a.shadows.List(r.Context(), r.PathValue("thing"))
		return append([]string{}, names...), ofShadow(err)
	})
	handle("GET /things/{thing}/shadow", one(func(ctx context.Context, id shadow.ID, _ []byte) ([]byte, error) {
		return a.shadows.Get(ctx, id)
	}))
	handle("POST /things/{thing}/shadow", one(a.shadows.Update))
	handle("DELETE /things/{thing}/shadow", one(func(ctx context.Context, id shadow.ID, _ []byte) ([]byte, error) {
		return a.shadows.Delete(ctx, id)
	}))
}

// ofShadow gives a rejection its Kind.
func ofShadow(err error) error {
	var rejected *shadow.Rejection
	if !errors.As(err, &rejected) {
		return err
	}
	kind := shardlog.Invalid
	switch rejected.Code {
	case http.StatusNotFound:
		kind = shardlog.NotFound
	case http.StatusConflict:
		kind = shardlog.Conflict
	}
	return shardlog.Errorf(kind, "shadow", "%s", rejected.Message)
}

// Shadows are the names of a thing's shadows; that of the classic one is empty.
func (c *Client) Shadows(ctx context.Context, thing string) (names []string, err error) {
	return names, c.call(ctx, http.MethodGet, "/things/"+url.PathEscape(thing)+"/shadows", nil, &names)
}

// Shadow is a shadow's document.
func (c *Client) Shadow(ctx context.Context, thing, name string) (document json.RawMessage, err error) {
	return document, c.call(ctx, http.MethodGet, shadowPath(thing, name), nil, &document)
}

// UpdateShadow merges {"state":{"desired":…,"reported":…}} into a shadow, and
// answers what was accepted.
func (c *Client) UpdateShadow(ctx context.Context, thing, name string, update json.RawMessage) (accepted json.RawMessage, err error) {
	return accepted, c.call(ctx, http.MethodPost, shadowPath(thing, name), update, &accepted)
}

// DeleteShadow deletes a shadow, and answers which version it had.
func (c *Client) DeleteShadow(ctx context.Context, thing, name string) (accepted json.RawMessage, err error) {
	return accepted, c.call(ctx, http.MethodDelete, shadowPath(thing, name), nil, &accepted)
}

func shadowPath(thing, name string) string {
	return "/things/" + url.PathEscape(thing) + "/shadow?name=" + url.QueryEscape(name)
}
