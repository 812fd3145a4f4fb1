package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
)

// keysFile is where the keys of the AWS APIs lie in the data folder, sealFile
// what their secrets are sealed with when a gateway is alone and was told of
// no other.
const (
	keysFile = "keys"
	sealFile = "keys.seal"
)

// KeyChange is something to be done to keys, as package access has it.
type KeyChange = access.Change

// What a KeyChange can do.
const (
	KeyCreate    = access.Create
	KeyRotate    = access.Rotate
	KeyEnable    = access.Enable
	KeyDisable   = access.Disable
	KeyDelete    = access.Delete
	KeySetPolicy = access.SetPolicy
)

// KeyMade is what a KeyChange has made of a key.
type KeyMade = access.Made

// Keys are the keys of a data folder, whether a gateway runs on it or not.
func Keys(ctx context.Context, data string) (all []access.Key, err error) {
	if c := Dial(data); c.Running() {
		return all, c.call(ctx, http.MethodGet, "/keys", nil, &all)
	}
	return access.List(filepath.Join(data, keysFile), time.Now())
}

// ChangeKeys changes the keys of a data folder. A gateway that runs on it, and
// the others of its site, are told at once. Kinds as access.Apply's.
func ChangeKeys(ctx context.Context, data string, change access.Change) (made access.Made, err error) {
	if c := Dial(data); c.Running() {
		return made, c.call(ctx, http.MethodPost, "/keys", change, &made)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return made, fmt.Errorf("make data folder: %w", err)
	}
	return access.Apply(filepath.Join(data, keysFile), nil, time.Now(), change) // the next start seals
}

// openKeys reads the keys, or makes the first.
func (g *Gateway) openKeys() (err error) {
	if g.seals, err = g.openSeals(); err != nil {
		return err
	}
	g.keys, g.firstKey, err = access.OpenKeys(g.keyPath(), g.seals, g.latest)
	return err
}

// openSeals are what secrets of keys are sealed with: what the configuration
// says, else what the gateways of the site have in common, else a file.
func (g *Gateway) openSeals() (all access.Seals, err error) {
	if g.config.Seal != nil {
		secret, err := g.config.Seal.Read()
		if err != nil {
			return nil, err
		}
		if len(secret) < minSeal {
			return nil, Fault{"seal", fmt.Sprintf("%d characters can be guessed: write at least %d, as openssl rand -base64 32 does", len(secret), minSeal)}
		}
		all = append(all, access.NewSeal([]byte(secret)))
	}
	if g.site != nil {
		if s, ok := g.site.papers.Seal(); ok {
			all = append(all, s)
		}
	}
	path := filepath.Join(g.config.Data, sealFile)
	if _, err := os.Stat(path); err != nil && len(all) > 0 {
		return all, nil
	}
	own, err := access.OpenSeal(path)
	return append(all, own), err
}

// minSeal is the least that a seal of the configuration must have.
const minSeal = 24

// listKeys answers the keys without their secrets.
func (a *admin) listKeys(http.ResponseWriter, *http.Request) (any, error) {
	all := a.keys.List()
	for i := range all {
		all[i].Unagreed = all[i].Unagreed && !a.site.alone() // else there is nobody to agree with
	}
	return all, nil
}

// changeKeys changes the keys here, and has the other gateways take them: now,
// or when they can be reached.
func (a *admin) changeKeys(_ http.ResponseWriter, r *http.Request) (any, error) {
	var c access.Change
	if err := receive(r, &c); err != nil {
		return nil, err
	}
	return a.site.changeKeys(r.Context(), c)
}

func (g *Gateway) changeKeys(ctx context.Context, c access.Change) (access.Made, error) {
	made, err := access.Apply(g.keyPath(), g.seals, g.latest(), c)
	made.Unagreed = made.Unagreed && g.site != nil
	g.tellKeys(c, made, err)
	if err != nil {
		return made, err
	}
	if err := g.keys.Reload(); err != nil {
		return made, err
	}
	if g.site != nil {
		late, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := g.agreeOnKeys(late); err != nil {
			g.log.Warn("the keys are good here; the other gateways get them later", "error", err)
		}
	}
	return made, nil
}

// The keys of a site, as its gateways agree on them: a row for each. A change
// changes the mark as well, so that nobody has to read the rows to see it.
const (
	keySpace  shardlog.Space = "site.key"
	siteSpace shardlog.Space = "site"
	siteKeys                 = "keys" // the mark
)

func (g *Gateway) keyPath() string { return filepath.Join(g.config.Data, keysFile) }

// followKeys takes over what other gateways change, and pays what is owed.
func (g *Gateway) followKeys(ctx context.Context) error {
	var seen shardlog.Version
	for pause(ctx, time.Second) == nil {
		_, version, err := g.states.Get(ctx, siteSpace, siteKeys)
		begun := err == nil
		if err != nil && (shardlog.KindOf(err) != shardlog.NotFound || !g.group.Leading()) {
			continue // the leader begins with its own
		}
		if begun && version == seen && !g.keys.Owed() {
			continue
		}
		if err := g.agreeOnKeys(ctx); err == nil {
			seen = version
		} else if kind := shardlog.KindOf(err); ctx.Err() == nil && kind != shardlog.Unavailable {
			g.log.Warn("keys of the site", "error", err)
		}
	}
	return nil
}

// agreeOnKeys tells the site what was changed here, and makes the keys here
// those of the site.
func (g *Gateway) agreeOnKeys(ctx context.Context) error {
	g.agreeing.Lock()
	defer g.agreeing.Unlock()
	owed, err := access.Owed(g.keyPath(), g.siteKeys(ctx))
	if err != nil {
		return err
	}
	for _, row := range owed {
		mark := []byte(rand.Text())
		err := g.states.Mutate(ctx, shardlog.Mutation{Space: keySpace, Key: row.ID, Value: row.Text}, shardlog.Mutation{Space: siteSpace, Key: siteKeys, Value: mark})
		if err != nil {
			return err
		}
	}
	all := g.siteKeys(ctx)
	if len(all) == 0 {
		return errors.New("the site has no keys")
	}
	if err := access.Agree(g.keyPath(), all, owed); err != nil {
		return err
	}
	return g.keys.Reload()
}

// siteKeys are the rows of the site's keys, by id.
func (g *Gateway) siteKeys(ctx context.Context) map[string][]byte {
	all := map[string][]byte{}
	for id, text := range g.states.List(ctx, keySpace, "") {
		all[id] = append([]byte(nil), text...)
	}
	return all
}
