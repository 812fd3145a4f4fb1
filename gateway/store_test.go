package gateway_test

import (
	"testing"

	"headgate/gateway"
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
	c := gateway.Defaults()
	c.Data, c.API, c.MQTT, c.Console, c.Log.Level = data, "127.0.0.1:0", "off", "off", "error"
	g, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = store.Open(data, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := s.Spool().Stats().Rows; n != 1 {
		t.Fatalf("%d rows in the spool", n)
	}
}
