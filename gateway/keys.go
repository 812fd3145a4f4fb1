package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
)

// keysFile is where the key pairs of the AWS APIs lie in the data folder.
const keysFile = "keys"

// Keys are the ids of the key pairs of a data folder, whether a gateway runs
// on it or not.
func Keys(data string) ([]string, error) { return access.List(filepath.Join(data, keysFile)) }

// CreateKey adds a key pair to a data folder. A gateway that runs on it takes
// the pair at once.
func CreateKey(ctx context.Context, data string) (access.KeyPair, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return access.KeyPair{}, fmt.Errorf("make data folder: %w", err)
	}
	pair, err := access.Create(filepath.Join(data, keysFile))
	if err != nil {
		return access.KeyPair{}, err
	}
	return pair, Dial(data).reloadKeys(ctx)
}

// RevokeKey takes a key pair from a data folder. A gateway that runs on it
// refuses the pair from then on. Kinds: NotFound, InUse for the last one.
func RevokeKey(ctx context.Context, data, id string) error {
	if err := access.Revoke(filepath.Join(data, keysFile), id); err != nil {
		return err
	}
	return Dial(data).reloadKeys(ctx)
}

// reloadKeys tells the gateway, if one runs, that the key file changed.
func (c *Client) reloadKeys(ctx context.Context) error {
	if !c.Running() {
		return nil
	}
	if err := c.call(ctx, http.MethodPut, "/keys", nil, nil); err != nil {
		return errors.Join(errors.New("the key file is changed, but the running gateway did not read it: restart it"), err)
	}
	return nil
}

// reloadKeys reads the key file again, and has the other gateways take it: now,
// or when they can be reached.
func (a *admin) reloadKeys(_ http.ResponseWriter, r *http.Request) (any, error) {
	if err := a.keys.Reload(); err != nil {
		return nil, err
	}
	return struct{}{}, a.site.shareKeys(r.Context())
}

// The key file of a site, as its gateways agree on it.
const (
	siteSpace   shardlog.Space = "site"
	siteKeys                   = "keys"
	keysOwedKey                = "site/keys-owed" // local: the file here changed, and the site does not know
)

// shareKeys makes the key file here that of the whole site, as soon as the
// leader can be reached.
func (g *Gateway) shareKeys(ctx context.Context) error {
	if g.site == nil {
		return nil
	}
	if err := g.store.SetLocal(keysOwedKey, []byte{1}); err != nil {
		return err
	}
	if err := g.payKeys(ctx); err != nil {
		g.log.Warn("the keys are good here; the other gateways get them later", "error", err)
	}
	return nil
}

func (g *Gateway) owesKeys() bool {
	owed, err := g.store.Local(keysOwedKey)
	return err == nil && len(owed) > 0
}

// payKeys hands the key file that is owed to the site.
func (g *Gateway) payKeys(ctx context.Context) error {
	text, err := access.Text(g.keyPath())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := g.states.Mutate(ctx, shardlog.Mutation{Space: siteSpace, Key: siteKeys, Value: text}); err != nil {
		return err
	}
	return g.store.SetLocal(keysOwedKey, nil)
}

func (g *Gateway) keyPath() string { return filepath.Join(g.config.Data, keysFile) }

// followKeys takes the key file over whenever another gateway changed it; the
// leader begins with its own.
func (g *Gateway) followKeys(ctx context.Context) error {
	var seen shardlog.Version
	for pause(ctx, time.Second) == nil {
		text, version, err := g.states.Get(ctx, siteSpace, siteKeys)
		switch {
		case g.owesKeys():
			err = g.payKeys(ctx)
		case err == nil && version != seen:
			if err = g.takeKeys(text); err == nil {
				seen = version
			}
		case err != nil && shardlog.KindOf(err) == shardlog.NotFound && g.group.Leading():
			err = g.shareKeys(ctx)
		}
		if kind := shardlog.KindOf(err); err != nil && ctx.Err() == nil && kind != shardlog.NotFound && kind != shardlog.Unavailable {
			g.log.Warn("keys of the site", "error", err)
		}
	}
	return nil
}

func (g *Gateway) takeKeys(text []byte) error {
	if own, err := access.Text(g.keyPath()); err == nil && bytes.Equal(own, text) {
		return nil
	}
	if err := access.Replace(g.keyPath(), text); err != nil {
		return err
	}
	return g.keys.Reload()
}
