package devices_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

func TestAClaimEnrolsOneDeviceOnce(t *testing.T) {
	r := newRig(t)
	code, claim, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Device: "press-7", Details: devices.Details{Groups: []string{"hall-2"}}})
	if err != nil || claim.Name != code.Name() || claim.Count != 1 {
		t.Fatal(claim, err)
	}
	key := newKey(t)
	issued, err := r.store.Claim(t.Context(), strings.ToUpper(code.Text()), request(t, key, named("press-7")))
	if err != nil {
		t.Fatal(err)
	}
	leaf := leafOf(t, issued.Certificate)
	if issued.Device != "press-7" || leaf.Subject.CommonName != "press-7" || leaf.IsCA || !leaf.NotAfter.Equal(r.clock.now.Add(90*24*time.Hour)) {
		t.Errorf("%+v", issued)
	}
	d := r.get("press-7")
	if len(d.Certificates) != 1 || d.Certificates[0].Serial != issued.Serial || d.Certificates[0].Waiting || d.Groups[0] != "hall-2" {
		t.Errorf("%+v", d)
	}
	s := r.in(r.store, shows("press-7", leaf))
	if !s.ACL().Publish("d/press-7/t") {
		t.Error("no rules")
	}
	r.in(r.store, devices.Connection{Username: "press-7", Certificates: []*x509.Certificate{leaf}})
	r.out(r.store, devices.Connection{Username: "other", Certificates: []*x509.Certificate{leaf}}, shardlog.Denied)
	r.out(r.store, shows("other", leaf), shardlog.Denied)

	_, err = r.store.Claim(t.Context(), code.Text(), request(t, newKey(t), named("press-7")))
	wantKind(t, err, shardlog.Denied)
	if all := r.store.Claims(t.Context()); len(all) != 1 || all[0].Used != 1 {
		t.Errorf("%+v", all)
	}
	if err := r.store.DeleteClaim(t.Context(), code.Name()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, r.store.DeleteClaim(t.Context(), code.Name()), shardlog.NotFound)
}

// The gateway has enrolled it, and the answer was lost on the way.
func TestALostAnswerUsesNothingUp(t *testing.T) {
	r := newRig(t)
	code, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Device: "a"})
	if err != nil {
		t.Fatal(err)
	}
	csr := request(t, newKey(t), named("a"))
	lost := true
	r.states.Fail = func(op string) error {
		if lost && op == "mutate done" {
			return &shardlog.Error{Kind: shardlog.Unknown, Op: op}
		}
		return nil
	}
	if _, err := r.store.Claim(t.Context(), code.Text(), csr); err == nil {
		t.Fatal("the authority was not made")
	}
	lost = false
	if _, err = r.store.Authorities(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost = true
	_, err = r.store.Claim(t.Context(), code.Text(), csr)
	wantKind(t, err, shardlog.Unknown)
	lost = false
	for range 3 {
		issued, err := r.store.Claim(t.Context(), code.Text(), csr)
		if err != nil {
			t.Fatal(err)
		}
		r.in(r.store, shows("a", leafOf(t, issued.Certificate)))
	}
	r.clock.set(func(w *watch) { w.now = w.now.Add(25 * time.Hour) })
	_, err = r.store.Claim(t.Context(), code.Text(), csr)
	wantKind(t, err, shardlog.Expired)
}

func TestABatchMakesNewDevicesUpToItsCount(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "line-old"})
	code, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Prefix: "line-", Count: 3})
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string) (devices.Issued, error) {
		return r.store.Claim(t.Context(), code.Text(), request(t, newKey(t), named(name)))
	}
	_, err = claim("line-old")
	wantKind(t, err, shardlog.InUse)
	_, err = claim("elsewhere")
	wantKind(t, err, shardlog.Denied)
	if _, err := claim("line-1"); err != nil {
		t.Fatal(err)
	}
	issued, err := claim("")
	if err != nil || !strings.HasPrefix(issued.Device, "line-") || len(issued.Device) != 17 {
		t.Fatal(issued.Device, err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for range 4 {
		wg.Go(func() {
			_, err := claim("")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				got++
			}
		})
	}
	wg.Wait()
	if all := r.store.List(t.Context(), "line-"); got != 1 || len(all) != 4 {
		t.Errorf("%d claims were good, %d devices", got, len(all))
	}
}

func TestACodeEndsAndIsCounted(t *testing.T) {
	r := newRig(t)
	for _, o := range []devices.ClaimOrder{
		{}, {Count: -1}, {Count: 100_001}, {Device: "a", Count: 2}, {Device: "a", Prefix: "b"}, {Device: "a/b"},
		{Prefix: "a/", Count: 1}, {Prefix: strings.Repeat("a", 60), Count: 1}, {Count: 1, For: -1}, {Count: 1, For: 400 * 24 * time.Hour},
		{Count: 1, Details: devices.Details{Groups: []string{"a/b"}}},
	} {
		_, _, err := r.store.NewClaim(t.Context(), o)
		wantKind(t, err, shardlog.Invalid)
	}
	code, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Count: 1, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	csr := request(t, newKey(t), named("a"))
	r.clock.set(func(w *watch) { w.now = w.now.Add(time.Hour + time.Second) })
	_, err = r.store.Claim(t.Context(), code.Text(), csr)
	wantKind(t, err, shardlog.Expired)
	for n := 0; n < 1000; n++ {
		if _, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Count: 1}); err != nil {
			t.Fatal(n, err)
		}
	}
	if all := r.store.Claims(t.Context()); len(all) != 1000 {
		t.Errorf("%d codes: the ended one should be gone", len(all))
	}
	_, _, err = r.store.NewClaim(t.Context(), devices.ClaimOrder{Count: 1})
	wantKind(t, err, shardlog.LimitExceeded)
	_, err = r.store.Claim(t.Context(), code.Text(), csr)
	wantKind(t, err, shardlog.Denied)
}

func TestRequestsThatAskForMore(t *testing.T) {
	r := newRig(t)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	uri, _ := url.Parse("headgate://site/gateway/x")
	basic, _ := asn1.Marshal(struct{ CA bool }{true})
	broken := request(t, newKey(t), named("a"))
	for i, csr := range [][]byte{
		nil, []byte("hello"), make([]byte, 17<<10),
		request(t, p384, named("a")), request(t, rsaKey, named("a")),
		request(t, newKey(t), named("a/b")),
		request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"b"}}),
		request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}, IPAddresses: []net.IP{{127, 0, 0, 1}}}),
		request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}, URIs: []*url.URL{uri}}),
		request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{CommonName: "a"}, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Value: basic}}}),
		request(t, newKey(t), x509.CertificateRequest{Subject: pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "b"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "a"}}}}),
		append(append([]byte{}, broken[:200]...), broken[210:]...),
	} {
		code, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = r.store.Claim(t.Context(), code.Text(), csr); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if all := r.store.List(t.Context(), ""); len(all) != 0 {
		t.Errorf("%+v", all)
	}
	_, ed, _ := ed25519.GenerateKey(nil)
	_, leaf := r.claim(devices.ClaimOrder{Device: "ed"}, ed, "")
	r.in(r.store, shows("ed", leaf))
}

func TestACodeSurvivesPeople(t *testing.T) {
	r := newRig(t)
	code, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	text := code.Text()
	if len(text) != 27 {
		t.Errorf("%d characters", len(text))
	}
	for _, typed := range []string{
		text, "  " + text + "\r\n", `"` + text + `"`, strings.ToUpper(text), strings.ReplaceAll(text[3:], "-", " "),
		strings.NewReplacer("0", "O", "1", "l").Replace(text), strings.ReplaceAll(text, "-", "")[:2] + "-" + strings.ReplaceAll(text[3:], "-", ""),
	} {
		if !strings.HasPrefix(strings.ToLower(strings.Trim(typed, " \"")), "hd-") {
			typed = "hd-" + typed
		}
		if got, err := devices.ParseCode(typed); err != nil || got != code {
			t.Errorf("%q: %v", typed, err)
		}
	}
	for i := 3; i < len(text); i++ { // one character wrong
		if text[i] == '-' {
			continue
		}
		wrong := []byte(text)
		if wrong[i]++; wrong[i] > 'z' || strings.ContainsRune("ilou:", rune(wrong[i])) {
			wrong[i] = '3'
		}
		if string(wrong) == text {
			continue
		}
		if _, err := devices.ParseCode(string(wrong)); err == nil {
			t.Errorf("%q was read", wrong)
		}
	}
	for _, bad := range []string{"", "hg-abc", "hd-", text[:20], text + "0", strings.Repeat("a", 300)} {
		_, err := devices.ParseCode(bad)
		wantKind(t, err, shardlog.Invalid)
		if len(bad) > 10 && strings.Contains(err.Error(), bad) {
			t.Error("the error tells the code")
		}
	}
	var e *shardlog.Error
	_, err = r.store.Claim(t.Context(), "hd-0000", nil)
	if !errors.As(err, &e) || e.Kind != shardlog.Invalid {
		t.Error(err)
	}
}
