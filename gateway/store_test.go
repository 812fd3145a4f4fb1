package gateway_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"headgate/gateway"
	"headgate/gateway/access"
	"headgate/shardlog/store"
)

// The start that set the store aside ended before it had the spool.
func TestTheSpoolOfAStoreThatWasSetAsideIsTakenAlong(t *testing.T) {
	data := t.TempDir()
	s, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Spool().Append([][]byte{[]byte("a row")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SetAside(data, nil); err != nil {
		t.Fatal(err)
	}
	openOnce(t, data)
	if s, err = store.Open(data, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := s.Spool().Stats().Rows; n != 1 {
		t.Fatalf("%d rows in the spool", n)
	}
}

// openOnce opens a gateway that other gateways might reach, and closes it.
func openOnce(t *testing.T, data string) {
	t.Helper()
	c := gateway.Defaults()
	c.Data, c.API, c.MQTT, c.Console, c.Log.Level, c.Peer = data, "127.0.0.1:0", "off", "off", "error", "127.0.0.1:0"
	g, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// forgetful marks the store of a folder as one that may have lost something.
func forgetful(t *testing.T, data string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(data, "amnesia"), []byte("a test"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func asides(t *testing.T, data string) int {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(data, "lost+found", "*", "store"))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// What a gateway lost before it had peers is no reason to set its store aside
// when it has some.
func TestLossesOfAGatewayAloneAreForgotten(t *testing.T) {
	data := t.TempDir()
	openOnce(t, data)
	forgetful(t, data)
	openOnce(t, data)
	meet(t, data)
	openOnce(t, data)
	if n := asides(t, data); n != 0 {
		t.Fatalf("%d stores were set aside", n)
	}
}

// meet has a folder know of a second gateway.
func meet(t *testing.T, data string) {
	t.Helper()
	papers, err := access.OpenSite(filepath.Join(data, "site"))
	if err != nil {
		t.Fatal(err)
	}
	err = papers.KeepNeighbours([]access.Neighbour{{ID: papers.Gateway(), Address: "127.0.0.1:1"}, {ID: "0123456789abcdef", Address: "127.0.0.1:2"}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAForgetfulStoreIsSetAsideWithDamagedPapersToo(t *testing.T) {
	data := t.TempDir()
	openOnce(t, data)
	meet(t, data)
	forgetful(t, data)
	if err := os.WriteFile(filepath.Join(data, "site", "gateway.pem"), []byte("rotten at "+time.Now().String()), 0o600); err != nil {
		t.Fatal(err)
	}
	openOnce(t, data)
	if n := asides(t, data); n != 1 {
		t.Fatalf("%d stores were set aside", n)
	}
}
