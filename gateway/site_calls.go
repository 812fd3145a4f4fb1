package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
	"headgate/sync/peer"
)

// What gateways ask of one another besides Puts (package forward).
const (
	callEnter  = "/v1/site/enter"
	callRemove = "/v1/site/remove"
	callOffer  = "/v1/store/offer"
	callBlocks = "/v1/store/blocks"
	callKeys   = "/v1/store/keys"
)

// maxQuestion bounds what one such call may send.
const maxQuestion = 4 << 20

// peerCalls answers the other gateways.
func (g *Gateway) peerCalls() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+callEnter, peer.HandlerFunc(g.answerEnter))
	mux.Handle("POST "+callRemove, peer.HandlerFunc(g.answerRemove))
	mux.Handle("GET "+callReach, peer.HandlerFunc(g.answerReach))
	mux.Handle("GET "+callOffer, peer.HandlerFunc(g.answerOffer))
	mux.Handle("POST "+callBlocks, answerRequest(g.store.WriteBlocks))
	mux.Handle("POST "+callKeys, answerRequest(g.store.WriteKeys))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { g.site.carrier.Handler().ServeHTTP(w, r) })
	return mux
}

// answerEnter lets in a gateway that has papers: one whose log was lost, or,
// asked by the gateway that checked its code, a newcomer.
func (g *Gateway) answerEnter(_ http.ResponseWriter, r *http.Request) error {
	var e entrance
	if err := question(r, &e); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	return g.letIn(ctx, e)
}

// removal is a gateway to take out.
type removal struct {
	ID    string `json:"id"`
	Force bool   `json:"force,omitempty"`
	For   string `json:"for,omitempty"` // the id under which it comes back
}

func (g *Gateway) answerRemove(_ http.ResponseWriter, r *http.Request) error {
	var q removal
	if err := question(r, &q); err != nil {
		return err
	}
	return g.removePeer(r.Context(), q)
}

// removePeer takes a gateway out of the site for good.
func (g *Gateway) removePeer(ctx context.Context, q removal) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return g.atLeader(ctx, callRemove, mustJSON(q), func(ctx context.Context) error { return g.takeOut(ctx, q) })
}

// takeOut removes a gateway and notes that it is, also when an earlier try got
// no further than the first half: without the note it would let itself in again.
func (g *Gateway) takeOut(ctx context.Context, q removal) error {
	if !access.IsGatewayID(q.ID) {
		return shardlog.Errorf(shardlog.NotFound, "remove gateway", "%.80q is no member", q.ID)
	}
	remove := g.group.Remove
	if q.Force {
		remove = g.group.RemoveForced
	} else if err := g.spares(q.ID); err != nil {
		return err
	}
	gone := remove(ctx, q.ID)
	if gone != nil && shardlog.KindOf(gone) != shardlog.NotFound {
		return gone
	}
	if _, noted := g.removedRow(q.ID); noted {
		return gone
	}
	row := removedRow{At: g.streams.Clock().Stamp().At, For: q.For}
	if err := g.streams.Mutate(ctx, shardlog.Mutation{Space: removedSpace, Key: q.ID, Value: mustJSON(row)}); err != nil {
		return err
	}
	return gone
}

// question reads what a gateway sent.
func question(r *http.Request, v any) error {
	if err := json.NewDecoder(io.LimitReader(r.Body, maxQuestion)).Decode(v); err != nil {
		return shardlog.Errorf(shardlog.Invalid, "read call", "%w", err)
	}
	return nil
}

// answerOffer streams what this store holds and another may lack. An error in
// the middle breaks the answer off, so that nobody takes a part for the whole.
func (g *Gateway) answerOffer(w http.ResponseWriter, r *http.Request) error {
	above, err1 := strconv.ParseUint(r.URL.Query().Get("above"), 10, 64)
	bucket, err2 := strconv.ParseUint(r.URL.Query().Get("bucket"), 10, 32)
	if err1 != nil || err2 != nil {
		return shardlog.Errorf(shardlog.Invalid, "read call", "above and bucket are numbers")
	}
	return g.store.WriteOffer(w, above, uint32(bucket))
}

func answerRequest(write func(w io.Writer, request []byte) error) http.Handler {
	return peer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		request, err := io.ReadAll(io.LimitReader(r.Body, maxQuestion))
		if err != nil {
			return shardlog.Errorf(shardlog.Invalid, "read call", "%w", err)
		}
		return write(w, request)
	})
}

// source is the store of another gateway, over the links.
type source struct {
	links *peer.Links
	id    string
}

// Offer asks for what the other holds beyond an index.
func (s source) Offer(ctx context.Context, above uint64, bucket uint32) (io.ReadCloser, error) {
	q := url.Values{"above": {strconv.FormatUint(above, 10)}, "bucket": {strconv.FormatUint(uint64(bucket), 10)}}
	return s.links.Open(ctx, s.id, http.MethodGet, callOffer+"?"+q.Encode(), nil)
}

// Blocks asks for blocks.
func (s source) Blocks(ctx context.Context, request []byte) (io.ReadCloser, error) {
	return s.links.Open(ctx, s.id, http.MethodPost, callBlocks, request)
}

// Keys asks which blocks the other has of some extents.
func (s source) Keys(ctx context.Context, request []byte) (io.ReadCloser, error) {
	return s.links.Open(ctx, s.id, http.MethodPost, callKeys, request)
}
