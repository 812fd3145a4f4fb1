package peer_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"headgate/gateway/access"
	"headgate/sync/peer"
)

// town is gateways on loopback with real papers and real TLS.
type town struct {
	t *testing.T

	mu      sync.Mutex
	members []peer.Member   // guarded by mu
	removed map[string]bool // guarded by mu
}

// house is one gateway of a town.
type house struct {
	*peer.Links
	id, address string
	site        *access.Site
	stop        func() error
}

func newTown(t *testing.T) *town { return &town{t: t, removed: map[string]bool{}} }

// three is a town of g0, g1 and g2, who have said hello to each other.
func three(t *testing.T, change ...func(*peer.Config)) (*town, []*house) {
	t.Helper()
	town := newTown(t)
	founder := town.found("g0")
	all := []*house{
		town.build(founder, change...),
		town.build(town.admit(founder, "g1"), change...),
		town.build(town.admit(founder, "g2"), change...),
	}
	for _, h := range all {
		eventually(t, func() bool { return h.reaches(2) })
	}
	return town, all
}

func (w *town) found(id string) *access.Site {
	w.t.Helper()
	site, err := access.FoundSite(filepath.Join(w.t.TempDir(), "site"), id, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return site
}

// admit gives papers to another gateway, issued at a time that may be long ago.
func (w *town) admit(by *access.Site, id string, ago ...time.Duration) *access.Site {
	w.t.Helper()
	at := time.Now()
	for _, d := range ago {
		at = at.Add(-d)
	}
	newcomer, err := access.NewNewcomer(id)
	if err != nil {
		w.t.Fatal(err)
	}
	papers, err := by.Admit(id, newcomer.PublicKey(), at)
	if err != nil {
		w.t.Fatal(err)
	}
	site, err := newcomer.Enter(filepath.Join(w.t.TempDir(), "site"), papers, by.Fingerprint())
	if err != nil {
		w.t.Fatal(err)
	}
	return site
}

// prepare is the configuration of a gateway with these papers, which never
// renews them.
func (w *town) prepare(site *access.Site) peer.Config {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	return peer.Config{
		ID: site.Gateway(), Listener: l, Protocol: peer.Range{Min: 1, Max: 2}, Interval: 20 * time.Millisecond,
		Certificate: func() *tls.Certificate { return site.Certificate(time.Time{}) },
		Verify:      func(raw [][]byte) (string, error) { return site.Verify(time.Now(), raw) },
		Removed:     func(id string) bool { w.mu.Lock(); defer w.mu.Unlock(); return w.removed[id] },
		Members:     func() []peer.Member { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.members) },
		Hello: func() peer.Hello {
			return peer.Hello{Version: "test", Applied: 7, Synced: true, Address: l.Addr().String()}
		},
		Handler: peer.HandlerFunc(echo),
		Log:     slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// echo answers who calls, and what.
func echo(w http.ResponseWriter, r *http.Request) error {
	_, err := fmt.Fprintf(w, "%s %s %s", peer.CallerID(r.Context()), r.Method, r.URL.Path)
	return err
}

// build runs a gateway and makes it a member.
func (w *town) build(site *access.Site, change ...func(*peer.Config)) *house {
	w.t.Helper()
	c := w.prepare(site)
	for _, f := range change {
		f(&c)
	}
	h := w.run(c)
	h.site = site
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members = append(w.members, peer.Member{ID: h.id, Address: h.address})
	return h
}

func (w *town) run(c peer.Config) *house {
	w.t.Helper()
	links, err := peer.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- links.Run(ctx) }()
	h := &house{Links: links, id: c.ID, address: c.Listener.Addr().String()}
	h.stop = sync.OnceValue(func() error { cancel(); return <-done })
	w.t.Cleanup(func() {
		if err := h.stop(); err != nil {
			w.t.Errorf("%s ended with %v", c.ID, err)
		}
	})
	return h
}

func (w *town) remove(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removed[id] = true
}

// move gives a member another address.
func (w *town) move(id, address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.members {
		if w.members[i].ID == id {
			w.members[i].Address = address
		}
	}
}

// reaches reports whether exactly n peers are reachable.
func (h *house) reaches(n int) bool {
	for _, p := range h.Peers() {
		if p.Reachable {
			n--
		}
	}
	return n == 0
}

// peer is what a gateway knows of another.
func (h *house) peer(id string) peer.Peer {
	for _, p := range h.Peers() {
		if p.ID == id {
			return p
		}
	}
	return peer.Peer{}
}

// eventually waits until it is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it has not come about")
		}
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
