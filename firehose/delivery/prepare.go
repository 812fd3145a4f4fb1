package delivery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"headgate/shardlog"
)

// siteSpace holds what is random and the same on all gateways of a site.
const siteSpace shardlog.Space = "site"

// specState is what was last said about a delivery, and how often it changed.
type specState struct {
	Version int    `json:"version"`
	Digest  string `json:"digest"`
}

// prepare makes the namer: who the site is, and which version of the spec this is.
func (d *Delivery) prepare(ctx context.Context) error {
	site, err := d.site(ctx)
	if err != nil {
		return err
	}
	version, err := d.version(ctx)
	if err != nil {
		return err
	}
	both, err := d.c.Spec.prefixes()
	if err != nil {
		return err
	}
	codecs, err := d.codecs(d.c.Spec.format())
	if err != nil {
		return err
	}
	d.namer = namer{delivery: d.c.Spec.Name, site: site, prefixes: both}.as(version, d.c.Spec.Extension, codecs)
	return nil
}

// succeeds reports whether the delivery has worked on another incarnation of
// its stream. Then it is not new, and of the present one it misses nothing.
func (d *Delivery) succeeds(ctx context.Context, id shardlog.StreamID) bool {
	for key := range d.c.States.List(ctx, Space, d.c.Spec.Name+"/") {
		if _, shard, ok := parseStateKey(key); ok && shard.Stream != id {
			return true
		}
	}
	return false
}

// site is the site's random id, made by whoever needs it first.
func (d *Delivery) site(ctx context.Context) (string, error) {
	fresh := strings.ToLower(rand.Text()[:10])
	err := d.c.States.Mutate(ctx, shardlog.Mutation{Space: siteSpace, Key: "id", Value: []byte(fresh), Expect: shardlog.Absent()})
	if err != nil && shardlog.KindOf(err) != shardlog.Conflict {
		return "", fmt.Errorf("make site id: %w", err)
	}
	b, _, err := d.c.States.Get(ctx, siteSpace, "id")
	if err != nil {
		return "", fmt.Errorf("read site id: %w", err)
	}
	return string(b), nil
}

// version counts the changes of the spec and its destination.
func (d *Delivery) version(ctx context.Context) (int, error) {
	at := place{key: specKey(d.c.Spec.Name)}
	was := specState{}
	b, v, err := d.c.States.Get(ctx, Space, at.key)
	switch {
	case err == nil:
		at.version = v
		if err := json.Unmarshal(b, &was); err != nil {
			return 0, shardlog.Errorf(shardlog.Corrupt, "read delivery", "%w", err)
		}
	case shardlog.KindOf(err) != shardlog.NotFound:
		return 0, err
	}
	now := specState{was.Version + 1, d.c.Spec.digest(d.c.Sink.String(), d.c.TransformSpec)}
	if was.Digest == now.Digest {
		return was.Version, nil
	}
	text, err := json.Marshal(now)
	if err != nil {
		return 0, fmt.Errorf("keep spec: %w", err)
	}
	return now.Version, d.ledger.save(ctx, &at, text)
}
