package devices_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"headgate/gateway/devices"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// seals is a small real Seals: AES-256-GCM, the first key seals.
type seals [][]byte

func newSeals(n int) (all seals) {
	for range n {
		key := make([]byte, 32)
		rand.Read(key)
		all = append(all, key)
	}
	return all
}

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return a
}

func (all seals) SealSecret(id, secret string) string {
	return base64.StdEncoding.EncodeToString(aead(all[0]).Seal(nil, nil, []byte(secret), []byte(id)))
}

func (all seals) OpenSecret(id, sealed string) (string, bool, bool) {
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", false, false
	}
	for i, key := range all {
		if plain, err := aead(key).Open(nil, nil, b, []byte(id)); err == nil {
			return string(plain), i == 0, true
		}
	}
	return "", false, false
}

// watch is a clock that a test sets.
type watch struct {
	mu      sync.Mutex
	now     time.Time
	latest  time.Time
	trusted bool
}

func newWatch() *watch {
	return &watch{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC), trusted: true}
}

func (w *watch) set(change func(*watch)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

func (w *watch) get() watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return watch{now: w.now, latest: w.latest, trusted: w.trusted}
}

func (w *watch) into(c devices.Config) devices.Config {
	c.Now = func() time.Time { return w.get().now }
	c.Latest = func() time.Time { return w.get().latest }
	c.Trusted = func() bool { return w.get().trusted }
	return c
}

// rig is a site of gateways that share a state.
type rig struct {
	t      testing.TB
	states *shardlogtest.Memory
	seals  seals
	clock  *watch
	store  *devices.Store
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, states: shardlogtest.NewMemory(), seals: newSeals(1), clock: newWatch()}
	r.store = r.gateway(devices.Config{})
	return r
}

func (r *rig) gateway(c devices.Config) *devices.Store {
	r.t.Helper()
	c = r.clock.into(c)
	c.States = r.states
	if c.Seals == nil {
		c.Seals = r.seals
	}
	s, err := devices.New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) create(o devices.Order) devices.Device {
	r.t.Helper()
	d, err := r.store.Create(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func (r *rig) get(id string) devices.Device {
	r.t.Helper()
	d, err := r.store.Get(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// run runs the store until the test or its bubble ends.
func run(t *testing.T, s *devices.Store) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func password(id, password string) devices.Connection {
	return devices.Connection{ClientID: id, Username: id, Password: []byte(password)}
}

func shows(id string, leaf *x509.Certificate) devices.Connection {
	return devices.Connection{ClientID: id, Certificates: []*x509.Certificate{leaf}}
}

func (r *rig) in(s *devices.Store, c devices.Connection) *devices.Session {
	r.t.Helper()
	session, err := s.Verify(r.t.Context(), c)
	if err != nil {
		r.t.Fatal(err)
	}
	return session
}

func (r *rig) out(s *devices.Store, c devices.Connection, kind shardlog.Kind) error {
	r.t.Helper()
	session, err := s.Verify(r.t.Context(), c)
	if err == nil {
		session.Close()
		r.t.Fatalf("%s was let in", session.Device())
	}
	if got := shardlog.KindOf(err); got != kind {
		r.t.Fatalf("refused with %v, want kind %v", err, kind)
	}
	return err
}

func wantKind(t testing.TB, err error, kind shardlog.Kind) {
	t.Helper()
	if err == nil || shardlog.KindOf(err) != kind {
		t.Fatalf("answered %v, want kind %v", err, kind)
	}
}

func ended(s *devices.Session) bool {
	select {
	case <-s.Ended():
		return true
	default:
		return false
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func request(t testing.TB, key any, template x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func named(name string) x509.CertificateRequest {
	return x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}
}

func leafOf(t testing.TB, text []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		t.Fatal("no certificate in PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// claim makes a code and enrols a device with it.
func (r *rig) claim(o devices.ClaimOrder, key any, name string) (devices.Issued, *x509.Certificate) {
	r.t.Helper()
	code, _, err := r.store.NewClaim(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	issued, err := r.store.Claim(r.t.Context(), code.Text(), request(r.t, key, named(name)))
	if err != nil {
		r.t.Fatal(err)
	}
	return issued, leafOf(r.t, issued.Certificate)
}
