package gateway_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headgate/gateway"
)

// TestAGatewayStartsWithoutItsPapers damages the authority's certificate, and
// later gives it back.
func TestAGatewayStartsWithoutItsPapers(t *testing.T) {
	data := t.TempDir()
	open := func() *gateway.Gateway {
		t.Helper()
		c := gateway.Defaults()
		c.Data, c.API, c.MQTT, c.Console, c.Log.Level, c.Peer = data, "127.0.0.1:0", "off", "off", "error", "127.0.0.1:0"
		g, err := gateway.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	fault := func(g *gateway.Gateway) string {
		t.Helper()
		s := g.Status()
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		return s.Site.Fault
	}
	if got := fault(open()); got != "" {
		t.Fatalf("new papers: %s", got)
	}
	site := filepath.Join(data, "site")
	good := map[string][]byte{}
	for _, name := range []string{"ca.pem", "ca.key"} {
		b, err := os.ReadFile(filepath.Join(site, name))
		if err != nil {
			t.Fatal(err)
		}
		good[name] = b
	}
	if err := os.WriteFile(filepath.Join(site, "ca.pem"), []byte("rot"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := fault(open()); !strings.Contains(got, "ca.pem") {
			t.Fatalf("damaged papers: %q", got)
		}
	}
	for name, b := range good {
		if err := os.WriteFile(filepath.Join(site, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(site, "gateway.pem")); err != nil {
		t.Fatal(err)
	}
	if got := fault(open()); got != "" {
		t.Fatalf("papers that were given back: %s", got)
	}
}
