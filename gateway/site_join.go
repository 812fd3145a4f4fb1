package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
	"headgate/sync/peer"
)

// Invitation is a code that lets one gateway in.
type Invitation struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// Joined is what a gateway is after it has joined.
type Joined struct {
	ID   string `json:"id"`
	Site string `json:"site"`
}

const (
	invitationSpace shardlog.Space = "site.invitation" // by the secret's hash
	invitationLife                 = time.Hour
	joinTime                       = time.Minute
)

// invitation is what the site remembers of a code.
type invitation struct {
	Expires time.Time `json:"expires"`
	Used    string    `json:"used,omitempty"` // by which gateway
}

// invite makes a code and has the site remember it.
func (g *Gateway) invite(ctx context.Context) (Invitation, error) {
	if g.site == nil {
		return Invitation{}, shardlog.Errorf(shardlog.Invalid, "invite", "this gateway is alone: start it with --peer ADDRESS, where the others will find it")
	}
	addresses := []string{g.site.address}
	for _, n := range g.neighbours() {
		if n.ID != g.name() && len(addresses) < 4 {
			addresses = append(addresses, n.Address)
		}
	}
	code, err := g.site.papers.Invite(addresses...)
	if err != nil {
		return Invitation{}, err
	}
	i := invitation{Expires: g.streams.Clock().Stamp().At.Add(invitationLife)}
	changes := append(g.staleInvitations(ctx), shardlog.Mutation{Space: invitationSpace, Key: code.Secret.Hash(), Value: mustJSON(i), Expect: shardlog.Absent()})
	err = g.states.Mutate(ctx, changes...)
	return Invitation{Code: code.Text(), Expires: i.Expires}, err
}

// staleInvitations are the deletions of codes that have been too old for long:
// who used one may ask again for a while.
func (g *Gateway) staleInvitations(ctx context.Context) (gone []shardlog.Mutation) {
	now := g.streams.Clock().Stamp().At
	for key, value := range g.store.List(ctx, invitationSpace, "") {
		var i invitation
		if err := json.Unmarshal(value, &i); err != nil || now.Sub(i.Expires) > 24*invitationLife {
			gone = append(gone, shardlog.Mutation{Space: invitationSpace, Key: key})
		}
	}
	return gone
}

// admit lets a newcomer in whose code is good. The same gateway may ask again
// with the same code: the first answer may have been lost.
func (g *Gateway) admit(ctx context.Context, r peer.JoinRequest) (peer.JoinAnswer, error) {
	var secret access.JoinSecret
	if len(r.Secret) != len(secret) || !access.IsGatewayID(r.ID) {
		return peer.JoinAnswer{}, shardlog.Errorf(shardlog.Denied, "join", "the code is not one of this site")
	}
	copy(secret[:], r.Secret)
	if err := g.spend(ctx, secret.Hash(), r.ID); err != nil {
		return peer.JoinAnswer{}, err
	}
	papers, err := g.site.papers.Admit(r.ID, r.PublicKey, g.latest())
	if err != nil {
		return peer.JoinAnswer{}, err
	}
	if err := g.letIn(ctx, entrance{ID: r.ID, Address: r.Address}); err != nil {
		return peer.JoinAnswer{}, err
	}
	keys, err := access.Text(filepath.Join(g.config.Data, keysFile))
	if err != nil {
		return peer.JoinAnswer{}, err
	}
	return peer.JoinAnswer{Site: papers.Site, Certificate: papers.Certificate, Authority: papers.Authority,
		AuthorityKey: papers.AuthorityKey, Members: g.neighbours(), Keys: keys}, nil
}

// spend uses up a code for a gateway.
func (g *Gateway) spend(ctx context.Context, hash, id string) error {
	denied := func(why string) error { return shardlog.Errorf(shardlog.Denied, "join", "%s", why) }
	value, version, err := g.store.Get(ctx, invitationSpace, hash)
	for late := time.Now().Add(time.Second); err != nil && shardlog.KindOf(err) == shardlog.NotFound && time.Now().Before(late); {
		if pause(ctx, 50*time.Millisecond) != nil { // it may have been made at another gateway a moment ago
			return ctx.Err()
		}
		value, version, err = g.store.Get(ctx, invitationSpace, hash)
	}
	if err != nil {
		return denied("the code is not one of this site")
	}
	var i invitation
	if err := json.Unmarshal(value, &i); err != nil {
		return shardlog.Errorf(shardlog.Corrupt, "join", "%w", err)
	}
	switch {
	case i.Used == id:
		return nil
	case i.Used != "":
		return denied("the code has been used: ask for another with headgate invite")
	case g.streams.Clock().Stamp().At.After(i.Expires):
		return denied("the code is too old: ask for another with headgate invite")
	}
	i.Used = id
	err = g.states.Mutate(ctx, shardlog.Mutation{Space: invitationSpace, Key: hash, Value: mustJSON(i), Expect: shardlog.At(version)})
	if err != nil && shardlog.KindOf(err) == shardlog.Conflict {
		return denied("the code has been used: ask for another with headgate invite")
	}
	return err
}

// entrance is a gateway that takes part from now on, and whose place it takes.
type entrance struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Before  string `json:"before,omitempty"`
}

// letIn makes a gateway a learner; only the leader can, so another asks it. One
// that lost its log takes the place of the one that it was; that one keeps its
// vote until somebody can vote in its place: until then the answer is Invalid.
func (g *Gateway) letIn(ctx context.Context, e entrance) error {
	return g.atLeader(ctx, callEnter, mustJSON(e), func(ctx context.Context) error {
		if e.Before == "" || e.Before == e.ID {
			return g.group.AddLearner(ctx, e.ID, e.Address)
		}
		if r, ok := g.removedRow(e.Before); ok && r.For != e.ID {
			return shardlog.Errorf(shardlog.Denied, "enter", "gateway %s was removed from the site", e.Before)
		}
		if err := g.group.Supersede(ctx, e.Before, e.ID, e.Address); err != nil {
			return err
		}
		err := g.takeOut(ctx, removal{ID: e.Before, For: e.ID})
		if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
			return nil
		}
		return err
	})
}

// atLeader does something here when this gateway leads, else has the leader do
// it, and tries again while the leadership moves.
func (g *Gateway) atLeader(ctx context.Context, path string, body []byte, do func(ctx context.Context) error) error {
	for {
		var err error
		if leader := g.group.Leader(); leader == "" || g.group.Leading() {
			err = do(ctx)
		} else {
			_, err = g.site.links.Call(ctx, leader, http.MethodPost, path, body)
		}
		if err == nil || shardlog.KindOf(err) != shardlog.Unavailable {
			return err
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return err
		}
	}
}

// joinSite joins the site of the configuration's code.
func (g *Gateway) joinSite() (*access.Site, error) {
	code, err := access.ParseJoinCode(g.config.Join)
	if err != nil {
		return nil, Fault{"join", err.Error()}
	}
	newcomer, err := access.NewNewcomer(g.name())
	if err != nil {
		return nil, err
	}
	address := g.site.address
	ctx, cancel := context.WithTimeout(context.Background(), joinTime)
	defer cancel()
	answer, err := peer.Join(ctx, peer.Invitation{Addresses: code.Addresses, Authority: code.Authority[:], Secret: code.Secret[:]},
		peer.JoinRequest{ID: g.name(), Address: address, Version: Version(), Protocol: protocols, PublicKey: newcomer.PublicKey()})
	if err != nil {
		return nil, fmt.Errorf("join the site: %w", err)
	}
	if len(answer.Keys) > 0 {
		if err := access.Replace(filepath.Join(g.config.Data, keysFile), answer.Keys); err != nil {
			return nil, err
		}
	}
	papers, err := newcomer.Enter(g.siteDir(), access.Papers{Site: answer.Site, Certificate: answer.Certificate, Authority: answer.Authority,
		AuthorityKey: answer.AuthorityKey}, code.Authority)
	if err != nil {
		return nil, err
	}
	all := []access.Neighbour{{ID: g.name(), Address: address}}
	for _, m := range answer.Members {
		if m.ID != g.name() {
			all = append(all, access.Neighbour{ID: m.ID, Address: m.Address})
		}
	}
	return papers, papers.KeepNeighbours(all)
}

// Join joins a site and ends; Run of a Gateway on the same folder takes part.
// Kind InUse: the folder belongs to a site already.
func Join(c Config) (Joined, error) {
	if _, err := access.OpenSite(filepath.Join(c.Data, siteFolder)); shardlog.KindOf(err) != shardlog.NotFound || err == nil {
		return Joined{}, shardlog.Errorf(shardlog.InUse, "join", "%s belongs to a site already: join with a new folder (--data)", c.Data)
	}
	g, err := New(c)
	if err != nil {
		return Joined{}, err
	}
	return Joined{ID: g.name(), Site: g.site.papers.ID()}, g.Close()
}
