package gateway

import (
	"context"
	"net/http"
	"net/url"

	"headgate/shardlog"
)

// neighbour names the other shard of a merge.
type neighbour struct {
	Shard string `json:"shard"`
}

// splitShard splits a shard in the middle of its range.
func (a *admin) splitShard(w http.ResponseWriter, r *http.Request) (any, error) {
	_, shard, err := a.shardOf(r, r.PathValue("shard"))
	if err != nil {
		return nil, err
	}
	if err := a.control.SplitShard(r.Context(), shard.ID, middle(shard.From, shard.To)); err != nil {
		return nil, err
	}
	return a.describeStream(w, r)
}

// mergeShards merges two shards whose ranges touch.
func (a *admin) mergeShards(w http.ResponseWriter, r *http.Request) (any, error) {
	var other neighbour
	if err := receive(r, &other); err != nil {
		return nil, err
	}
	_, shard, err := a.shardOf(r, r.PathValue("shard"))
	if err != nil {
		return nil, err
	}
	_, adjacent, err := a.shardOf(r, other.Shard)
	if err != nil {
		return nil, err
	}
	if err := a.control.MergeShards(r.Context(), shard.ID, adjacent.ID); err != nil {
		return nil, err
	}
	return a.describeStream(w, r)
}

func (a *admin) shardOf(r *http.Request, text string) (shardlog.Stream, shardlog.Shard, error) {
	stream, err := a.stream(r)
	if err != nil {
		return stream, shardlog.Shard{}, err
	}
	number, err := parseShard(text)
	if err != nil || number == nil {
		return stream, shardlog.Shard{}, shardlog.Errorf(shardlog.Invalid, "find shard", "%q: write 0 or shardId-000000000000", text)
	}
	shard, ok := stream.Shard(*number)
	if !ok {
		return stream, shard, shardlog.Errorf(shardlog.NotFound, "find shard", "%s has no shard %d", stream.Name, *number)
	}
	return stream, shard, nil
}

// middle is the place halfway between two, rounded up.
func middle(from, to shardlog.Hash) shardlog.Hash {
	// (from + to + 1) / 2 without the bit that the sum has more.
	lo := from.Lo/2 + to.Lo/2 + (from.Lo|to.Lo)&1
	hi := from.Hi/2 + to.Hi/2
	if odd := (from.Hi & 1) + (to.Hi & 1); odd > 0 {
		for range odd {
			before := lo
			if lo += 1 << 63; lo < before {
				hi++
			}
		}
	}
	return shardlog.Hash{Hi: hi, Lo: lo}
}

// SplitShard splits a shard in the middle of its range.
func (c *Client) SplitShard(ctx context.Context, stream, shard string) (d StreamDetail, err error) {
	return d, c.call(ctx, http.MethodPost, "/streams/"+url.PathEscape(stream)+"/shards/"+url.PathEscape(shard)+"/split", nil, &d)
}

// MergeShards merges two shards whose ranges touch.
func (c *Client) MergeShards(ctx context.Context, stream, shard, adjacent string) (d StreamDetail, err error) {
	return d, c.call(ctx, http.MethodPost, "/streams/"+url.PathEscape(stream)+"/shards/"+url.PathEscape(shard)+"/merge", neighbour{adjacent}, &d)
}
