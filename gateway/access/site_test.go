package access_test

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
)

const day = 24 * time.Hour

var today = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func found(t *testing.T, id string) (*access.Site, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	s, err := access.FoundSite(dir, id, today)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// enter lets a newcomer in and answers its papers.
func enter(t *testing.T, by *access.Site, id string, now time.Time) (*access.Site, string) {
	t.Helper()
	n, err := access.NewNewcomer(id)
	if err != nil {
		t.Fatal(err)
	}
	papers, err := by.Admit(id, n.PublicKey(), now)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "site")
	s, err := n.Enter(dir, papers, by.Fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestFoundAndOpenSite(t *testing.T) {
	if _, err := access.OpenSite(filepath.Join(t.TempDir(), "site")); shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("opened nothing: %v", err)
	}
	s, dir := found(t, "g0")
	if _, err := access.FoundSite(dir, "g1", today); shardlog.KindOf(err) != shardlog.InUse {
		t.Errorf("founded twice: %v", err)
	}
	if _, err := access.FoundSite(dir+"2", "../g1", today); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("odd id: %v", err)
	}
	for _, name := range []string{"", "ca.pem", "ca.key", "gateway.pem"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	again, err := access.OpenSite(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != s.ID() || len(s.ID()) != 26 || again.Gateway() != "g0" || again.Fingerprint() != s.Fingerprint() || again.Fault() != nil {
		t.Errorf("opened %v after %v", again, s)
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("folder %v", info.Mode())
	}
	leaf := again.Certificate(today).Leaf
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != "headgate://"+s.ID()+"/gateway/g0" {
		t.Errorf("made out to %v", leaf.URIs)
	}
	other, _ := found(t, "g0")
	if other.ID() == s.ID() || other.Fingerprint() == s.Fingerprint() {
		t.Error("two sites are the same")
	}
}

func TestVerify(t *testing.T) {
	s, _ := found(t, "g0")
	g1, _ := enter(t, s, "g1", today)
	other, _ := found(t, "g1")
	chain := func(by *access.Site) [][]byte { return by.Certificate(today).Certificate }
	end := g1.Certificate(today).Leaf.NotAfter
	for name, c := range map[string]struct {
		raw [][]byte
		now time.Time
		id  string
	}{
		"today":               {chain(g1), today, "g1"},
		"back":                {chain(s), today, "g0"},
		"clock in 1970":       {chain(g1), time.Unix(0, 0), "g1"},
		"half a year late":    {chain(g1), end.Add(180 * day), "g1"},
		"later":               {chain(g1), end.Add(181 * day), ""},
		"nothing":             {nil, today, ""},
		"rubbish":             {[][]byte{{1, 2, 3}}, today, ""},
		"another site":        {chain(other), today, ""},
		"the authority":       {chain(g1)[1:], today, ""},
		"another's authority": {[][]byte{chain(other)[0], chain(s)[1]}, today, ""},
	} {
		id, err := s.Verify(c.now, c.raw)
		if id != c.id || (err == nil) != (c.id != "") || err != nil && shardlog.KindOf(err) != shardlog.Denied {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

func TestCertificateRenewsItself(t *testing.T) {
	s, dir := found(t, "g0")
	first := s.Certificate(today)
	if s.Certificate(today.Add(240*day)) != first {
		t.Error("renewed too early")
	}
	if s.Certificate(time.Unix(0, 0)) != first {
		t.Error("renewed by a clock that is behind")
	}
	second := s.Certificate(today.Add(244 * day))
	if second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) || slices.Equal(second.Leaf.RawSubjectPublicKeyInfo, first.Leaf.RawSubjectPublicKeyInfo) {
		t.Error("not renewed after two thirds, or with the old key")
	}
	again, err := access.OpenSite(dir)
	if err != nil || !again.Certificate(today.Add(244*day)).Leaf.Equal(second.Leaf) {
		t.Errorf("not kept: %v", err)
	}
	late := again.Certificate(today.Add(5000 * day))
	if id, err := s.Verify(today.Add(5001*day), late.Certificate); err != nil || id != "g0" {
		t.Errorf("after years in a drawer: %q, %v", id, err)
	}
}

func TestRenewedCertificateThatCannotBeWritten(t *testing.T) {
	s, dir := found(t, "g0")
	first := s.Certificate(today)
	at := today.Add(300 * day)
	// A folder stands where the file is written first.
	stone := filepath.Join(dir, "gateway.pem.new")
	if err := os.MkdirAll(filepath.Join(stone, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	second := s.Certificate(at)
	if second == first || s.Fault() == nil {
		t.Errorf("renewed %v, fault %v", second != first, s.Fault())
	}
	if err := os.RemoveAll(stone); err != nil {
		t.Fatal(err)
	}
	if s.Certificate(at.Add(time.Minute)) != second || s.Fault() == nil {
		t.Error("the folder was tried again at once")
	}
	if s.Certificate(at.Add(2*time.Hour)) != second || s.Fault() != nil {
		t.Errorf("not written later: %v", s.Fault())
	}
	if again, err := access.OpenSite(dir); err != nil || !again.Certificate(at).Leaf.Equal(second.Leaf) {
		t.Errorf("not kept: %v", err)
	}
}

func TestDamagedPapers(t *testing.T) {
	for _, name := range []string{"ca.pem", "ca.key", "gateway.pem"} {
		for damage, text := range map[string]string{"empty": "", "rubbish": "rubbish", "half": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
			t.Run(name+" "+damage, func(t *testing.T) {
				s, dir := found(t, "g0")
				own := s.Certificate(today)
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				again, err := access.OpenSite(dir)
				if name == "ca.key" {
					if err != nil || again.Fault() == nil || again.Certificate(today.Add(300*day)) == nil {
						t.Fatalf("opened with %v", err)
					}
					_, err = again.Admit("g1", nil, today)
					if err == nil {
						t.Error("admits without the key")
					}
					return
				}
				if shardlog.KindOf(err) != shardlog.Corrupt {
					t.Fatalf("opened: %v", err)
				}
				again, err = access.RepairSite(dir, "g0", today)
				if name == "ca.pem" {
					if shardlog.KindOf(err) != shardlog.Corrupt {
						t.Errorf("repaired: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if id, err := s.Verify(today, again.Certificate(today).Certificate); err != nil || id != "g0" {
					t.Errorf("repaired to %q, %v", id, err)
				}
				if _, err := again.Verify(today, own.Certificate); err != nil {
					t.Error(err)
				}
				if kept, err := os.ReadFile(filepath.Join(dir, name+".broken")); err != nil || string(kept) != text {
					t.Errorf("kept %q, %v", kept, err)
				}
				if _, err := access.OpenSite(dir); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestNewcomerChecksItsPapers(t *testing.T) {
	s, _ := found(t, "g0")
	other, _ := found(t, "x0")
	n, err := access.NewNewcomer("g1")
	if err != nil {
		t.Fatal(err)
	}
	good, err := s.Admit("g1", n.PublicKey(), today)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Admit("g1", n.PublicKey(), today)
	if err != nil {
		t.Fatal(err)
	}
	named, err := s.Admit("g2", n.PublicKey(), today)
	if err != nil {
		t.Fatal(err)
	}
	m, err := access.NewNewcomer("g1")
	if err != nil {
		t.Fatal(err)
	}
	keyed, err := s.Admit("g1", m.PublicKey(), today)
	if err != nil {
		t.Fatal(err)
	}
	mixed := good
	mixed.AuthorityKey = foreign.AuthorityKey
	for name, p := range map[string]access.Papers{"nothing": {}, "another site's": foreign, "another id": named, "another's key": keyed, "another authority's key": mixed} {
		dir := filepath.Join(t.TempDir(), "site")
		if _, err := n.Enter(dir, p, s.Fingerprint()); shardlog.KindOf(err) != shardlog.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: wrote the folder", name)
		}
	}
	dir := filepath.Join(t.TempDir(), "site")
	if _, err := n.Enter(dir, good, s.Fingerprint()); err != nil {
		t.Error(err)
	}
	if _, err := n.Enter(dir, good, s.Fingerprint()); shardlog.KindOf(err) != shardlog.InUse {
		t.Errorf("entered twice: %v", err)
	}
	if _, err := s.Admit("g1", []byte("key"), today); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("admitted an odd key: %v", err)
	}
	if _, err := s.Admit("g 1", n.PublicKey(), today); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("admitted an odd id: %v", err)
	}
}

func TestEveryMemberAdmits(t *testing.T) {
	g0, _ := found(t, "g0")
	g1, _ := enter(t, g0, "g1", today)
	g2, dir := enter(t, g1, "g2", today)
	if id, err := g0.Verify(today, g2.Certificate(today).Certificate); err != nil || id != "g2" {
		t.Errorf("the founder knows it as %q, %v", id, err)
	}
	if err := g2.Adopt("g3", today); err != nil {
		t.Fatal(err)
	}
	again, err := access.OpenSite(dir)
	if err != nil || again.Gateway() != "g3" || g2.Gateway() != "g3" {
		t.Errorf("came back as %v, %v", again, err)
	}
}

func TestNeighbours(t *testing.T) {
	s, dir := found(t, "g0")
	if all, err := s.Neighbours(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	want := []access.Neighbour{{ID: "g0", Address: "10.0.0.1:7400"}, {ID: "g1", Address: "[fe80::1%eth0]:7400"}, {ID: "g2", Address: "box.local:7400"}}
	if err := s.KeepNeighbours(want); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(filepath.Join(dir, "peers"))
	if err := s.KeepNeighbours(want); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(filepath.Join(dir, "peers")); !os.SameFile(before, after) || after.Mode().Perm() != 0o600 {
		t.Error("the same list was written again")
	}
	if all, err := s.Neighbours(); err != nil || !slices.Equal(all, want) {
		t.Errorf("%v, %v", all, err)
	}
	if err := s.KeepNeighbours([]access.Neighbour{{ID: "g0", Address: "a b:1"}}); shardlog.KindOf(err) != shardlog.Invalid {
		t.Errorf("kept: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "peers"), []byte("rot\x00\ng1 10.0.0.2:7400\ng2 nowhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Neighbours(); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestFoundingThatWasInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if err := os.MkdirAll(dir+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir+".new", "ca.key"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.OpenSite(dir); shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("opened: %v", err)
	}
	if _, err := access.FoundSite(dir, "g0", today); err != nil {
		t.Fatal(err)
	}
	if _, err := access.OpenSite(dir); err != nil {
		t.Error(err)
	}
}

func TestPapersPrintWithoutKeys(t *testing.T) {
	s, _ := found(t, "g0")
	n, err := access.NewNewcomer("g1")
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Admit("g1", n.PublicKey(), today)
	if err != nil {
		t.Fatal(err)
	}
	code, err := s.Invite("h:1")
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.MarshalPKCS8PrivateKey(s.Certificate(today).PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	log := slog.New(slog.NewJSONHandler(&text, nil))
	log.Info("all", "site", s, "papers", p, "newcomer", n, "code", code, "secret", code.Secret)
	for _, v := range []any{s, n, p, code, code.Secret, &p, &code, &code.Secret} {
		fmt.Fprintf(&text, "%v %+v %#v %s %x %d %q\n", v, v, v, v, v, v, v)
	}
	for _, secret := range [][]byte{p.AuthorityKey[16:], own[16:], code.Secret[:]} {
		for _, form := range []string{string(secret[:8]), fmt.Sprintf("%x", secret[:8]), strings.Trim(fmt.Sprint(secret[:6]), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprint(secret[:6]), "[]"), " ", ",")} {
			if strings.Contains(text.String(), form) {
				t.Errorf("printed %q", form)
			}
		}
	}
}
