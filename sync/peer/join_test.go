package peer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
	"headgate/sync/peer"
)

// gate lets newcomers in as a gateway does: it knows the hashes of secrets,
// and who has used which.
type gate struct {
	site *access.Site

	mu   sync.Mutex
	used map[string]string // by hash: "" or the gateway that used it; guarded by mu
	err  error             // guarded by mu
}

func (g *gate) admit(_ context.Context, r peer.JoinRequest) (peer.JoinAnswer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return peer.JoinAnswer{}, g.err
	}
	if len(r.Secret) != len(access.JoinSecret{}) {
		return peer.JoinAnswer{}, shardlog.Errorf(shardlog.Denied, "admit", "a secret of %d bytes", len(r.Secret))
	}
	hash := access.JoinSecret(r.Secret).Hash()
	if by, ok := g.used[hash]; !ok || by != "" && by != r.ID {
		return peer.JoinAnswer{}, shardlog.Errorf(shardlog.Denied, "admit", "unknown or used by %q", by)
	}
	papers, err := g.site.Admit(r.ID, r.PublicKey, time.Now())
	if err != nil {
		return peer.JoinAnswer{}, err
	}
	g.used[hash] = r.ID
	return peer.JoinAnswer{Site: papers.Site, Certificate: papers.Certificate, Authority: papers.Authority,
		AuthorityKey: papers.AuthorityKey, Members: []peer.Member{{ID: "g0", Address: "x:1"}}, Keys: peer.Secret("shared")}, nil
}

// opened is a town of one gateway that lets newcomers in.
func opened(t *testing.T) (*town, *house, *gate) {
	t.Helper()
	town := newTown(t)
	g := &gate{site: town.found("g0"), used: map[string]string{}}
	return town, town.build(g.site, func(c *peer.Config) { c.Admit = g.admit }), g
}

func (g *gate) invite(t *testing.T, addresses ...string) access.JoinCode {
	t.Helper()
	code, err := g.site.Invite(addresses...)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used[code.Secret.Hash()] = ""
	return code
}

func parts(c access.JoinCode) peer.Invitation {
	return peer.Invitation{Addresses: c.Addresses, Authority: c.Authority[:], Secret: c.Secret[:]}
}

func request(t *testing.T, id string) (*access.Newcomer, peer.JoinRequest) {
	t.Helper()
	n, err := access.NewNewcomer(id)
	if err != nil {
		t.Fatal(err)
	}
	return n, peer.JoinRequest{ID: id, Address: "127.0.0.1:7400", Version: "test", Protocol: peer.Range{Min: 1, Max: 2}, PublicKey: n.PublicKey()}
}

func TestJoin(t *testing.T) {
	town, g0, gate := opened(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	code, err := access.ParseJoinCode(gate.invite(t, nobody.Addr().String(), g0.address).Text())
	if err != nil {
		t.Fatal(err)
	}
	newcomer, r := request(t, "g1")
	answer, err := peer.Join(within(t, 10*time.Second), parts(code), r)
	if err != nil {
		t.Fatal(err)
	}
	if string(answer.Keys) != "shared" || len(answer.Members) != 1 {
		t.Errorf("answer %+v", answer)
	}
	site, err := newcomer.Enter(filepath.Join(t.TempDir(), "site"), access.Papers{Site: answer.Site, Certificate: answer.Certificate,
		Authority: answer.Authority, AuthorityKey: answer.AuthorityKey}, code.Authority)
	if err != nil {
		t.Fatal(err)
	}
	g1 := town.build(site)
	if _, err := g1.Call(within(t, 10*time.Second), "g0", "GET", "/", nil); err != nil {
		t.Errorf("as a member: %v", err)
	}
	if _, err := peer.Join(within(t, 10*time.Second), parts(code), r); err != nil {
		t.Errorf("the answer was lost, and asked for again: %v", err)
	}
	_, r = request(t, "g2")
	if _, err := peer.Join(within(t, 10*time.Second), parts(code), r); shardlog.KindOf(err) != shardlog.Denied || strings.Contains(err.Error(), "g1") {
		t.Errorf("a used code: %v", err)
	}
	if g0.Stats().Joins != 2 {
		t.Errorf("counted %+v", g0.Stats())
	}
}

func TestJoinSendsNoSecretToStrangers(t *testing.T) {
	town, g0, gate := opened(t)
	heard := false
	stranger := town.run(func() peer.Config {
		c := town.prepare(newTown(t).found("evil"))
		c.Admit = func(context.Context, peer.JoinRequest) (peer.JoinAnswer, error) {
			heard = true
			return peer.JoinAnswer{}, nil
		}
		return c
	}())
	code := gate.invite(t, stranger.address)
	_, r := request(t, "g1")
	_, err := peer.Join(within(t, 10*time.Second), parts(code), r)
	if shardlog.KindOf(err) != shardlog.Unavailable || !strings.Contains(fmt.Sprint(err), "another site") || heard {
		t.Errorf("heard %v: %v", heard, err)
	}
	code.Addresses = append(code.Addresses, g0.address)
	if _, err := peer.Join(within(t, 10*time.Second), parts(code), r); err != nil {
		t.Errorf("the next address: %v", err)
	}
}

func TestJoinIsRefused(t *testing.T) {
	_, g0, gate := opened(t)
	code := gate.invite(t, g0.address)
	good := parts(code)
	_, r := request(t, "g1")

	wrong := good
	wrong.Secret = make(peer.Secret, 16)
	_, one := peer.Join(within(t, 10*time.Second), wrong, r)
	wrong.Secret = peer.Secret("short")
	_, two := peer.Join(within(t, 10*time.Second), wrong, r)
	if shardlog.KindOf(one) != shardlog.Denied || fmt.Sprint(one) != fmt.Sprint(two) {
		t.Errorf("told %v\nand %v", one, two)
	}
	for name, c := range map[string]struct {
		change func(*peer.Invitation, *peer.JoinRequest)
		kind   shardlog.Kind
	}{
		"no address":    {func(i *peer.Invitation, _ *peer.JoinRequest) { i.Addresses = nil }, shardlog.Invalid},
		"no authority":  {func(i *peer.Invitation, _ *peer.JoinRequest) { i.Authority = i.Authority[:8] }, shardlog.Invalid},
		"odd id":        {func(_ *peer.Invitation, r *peer.JoinRequest) { r.ID = "../x" }, shardlog.Invalid},
		"no listener":   {func(_ *peer.Invitation, r *peer.JoinRequest) { r.Address = "nowhere" }, shardlog.Invalid},
		"no key":        {func(_ *peer.Invitation, r *peer.JoinRequest) { r.PublicKey = nil }, shardlog.Invalid},
		"odd key":       {func(_ *peer.Invitation, r *peer.JoinRequest) { r.PublicKey = []byte("key") }, shardlog.Invalid},
		"other release": {func(_ *peer.Invitation, r *peer.JoinRequest) { r.Protocol = peer.Range{Min: 7, Max: 8} }, shardlog.Unavailable},
	} {
		i, r := good, r
		c.change(&i, &r)
		if _, err := peer.Join(within(t, 10*time.Second), i, r); shardlog.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	gate.mu.Lock()
	gate.err = &shardlog.Error{Kind: shardlog.Unavailable, Op: "admit", RetryAfter: time.Second}
	gate.mu.Unlock()
	if _, err := peer.Join(within(t, 10*time.Second), good, r); shardlog.KindOf(err) != shardlog.Unavailable || shardlog.RetryAfter(err) != time.Second {
		t.Errorf("without a leader: %v", err)
	}
	gate.mu.Lock()
	gate.err = nil
	gate.mu.Unlock()
	for range 3 {
		_, _ = peer.Join(within(t, 10*time.Second), wrong, r)
	}
	_, err := peer.Join(within(t, 10*time.Second), good, r)
	if shardlog.KindOf(err) != shardlog.Throttled || shardlog.RetryAfter(err) <= 0 {
		t.Errorf("after five wrong codes: %v", err)
	}
}

func TestNobodyIsLetIn(t *testing.T) {
	town := newTown(t)
	site := town.found("g0")
	g0 := town.build(site)
	code, err := site.Invite(g0.address)
	if err != nil {
		t.Fatal(err)
	}
	_, r := request(t, "g1")
	if _, err := peer.Join(within(t, 10*time.Second), parts(code), r); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("let in: %v", err)
	}
	g0.Cut(true)
	if _, err := peer.Join(within(t, 10*time.Second), parts(code), r); shardlog.KindOf(err) != shardlog.Unavailable {
		t.Errorf("cut: %v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	var text strings.Builder
	log := slog.New(slog.NewJSONHandler(&text, nil))
	secret := peer.Secret("sesame")
	r := peer.JoinRequest{Secret: secret, ID: "g1"}
	a := peer.JoinAnswer{AuthorityKey: secret, Keys: secret}
	i := peer.Invitation{Secret: secret}
	log.Info("all", "secret", secret, "request", r, "answer", a, "invitation", i)
	for _, v := range []any{secret, r, a, i, &r, &a, &i} {
		fmt.Fprintf(&text, "%v %+v %#v %s %x %d %q\n", v, v, v, v, v, v, v)
	}
	for _, leak := range []string{"sesame", "736573616d65", "115 101", "c2VzYW1l"} {
		if strings.Contains(text.String(), leak) {
			t.Errorf("printed %q: %s", leak, text.String())
		}
	}
}

// FuzzJoin reads what a stranger may send as its request.
func FuzzJoin(f *testing.F) {
	f.Add([]byte(`{"id":"g1","address":"h:1","publicKey":"AAAA","secret":"AAAA"}`))
	f.Add([]byte(`{}`))
	f.Add([]byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := peer.ParseJoinRequest(text)
		if err != nil {
			if shardlog.KindOf(err) != shardlog.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		if r.ID == "" || len(r.ID) > 64 || len(r.PublicKey) == 0 || !strings.Contains(r.Address, ":") {
			t.Errorf("took %+v", r)
		}
	})
}

// FuzzFrame reads what a stranger may send before and after the greeting.
func FuzzFrame(f *testing.F) {
	f.Add(binary.BigEndian.AppendUint32(nil, 3), uint32(10))
	f.Add([]byte("\x00\x00\x00\x02ab"), uint32(2))
	f.Fuzz(func(t *testing.T, b []byte, most uint32) {
		text, err := peer.ReadFrame(strings.NewReader(string(b)), most)
		if err == nil && (len(text) > int(most) || len(text) > len(b)-4) {
			t.Errorf("%d bytes of %d", len(text), len(b))
		}
		if err := peer.ReadGreeting(io.LimitReader(strings.NewReader(string(b)), 1<<20)); err != nil {
			_ = err.Error()
			_ = shardlog.KindOf(err)
		}
	})
}
