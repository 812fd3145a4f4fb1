package access_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"headgate/gateway/access"
)

// member is a gateway's key file, and what it has the site know.
type member struct {
	t    *testing.T
	path string
	site map[string][]byte
}

func (m member) owed() []access.Row {
	m.t.Helper()
	rows, err := access.Owed(m.path, m.site)
	if err != nil {
		m.t.Fatal(err)
	}
	return rows
}

func (m member) agree(paid []access.Row) {
	m.t.Helper()
	for _, row := range paid {
		if m.site[row.ID] = row.Text; row.Text == nil {
			delete(m.site, row.ID)
		}
	}
	if err := access.Agree(m.path, m.site, paid); err != nil {
		m.t.Fatal(err)
	}
}

func (m member) keys() map[string]access.Key {
	m.t.Helper()
	list, err := access.List(m.path, time.Now())
	if err != nil {
		m.t.Fatal(err)
	}
	all := map[string]access.Key{}
	for _, k := range list {
		all[k.ID] = k
	}
	return all
}

// Two gateways change keys without hearing of each other; what both end with
// holds the changes of both, and nothing that was deleted.
func TestGatewaysAgreeOnKeys(t *testing.T) {
	site := map[string][]byte{}
	one, two := member{t, filepath.Join(t.TempDir(), "keys"), site}, member{t, filepath.Join(t.TempDir(), "keys"), site}
	a := apply(t, one.path, access.Change{Do: access.Create, Name: "a"})
	b := apply(t, one.path, access.Change{Do: access.Create, Name: "b"})
	one.agree(one.owed())
	if len(site) != 2 || len(one.owed()) != 0 {
		t.Fatalf("the site knows %d keys, %d are owed", len(site), len(one.owed()))
	}
	text, err := access.Text(one.path)
	if err != nil || access.Replace(two.path, text) != nil {
		t.Fatal(err)
	}

	c := apply(t, one.path, access.Change{Do: access.Create, Name: "c"})
	apply(t, two.path, access.Change{Do: access.Delete, Key: a.ID})
	apply(t, two.path, access.Change{Do: access.Disable, Key: b.ID})
	if k := two.keys()[b.ID]; !k.Unagreed {
		t.Errorf("%+v", k)
	}
	two.agree(two.owed())
	one.agree(one.owed())
	two.agree(nil)
	for name, m := range map[string]member{"one": one, "two": two} {
		all := m.keys()
		if _, there := all[a.ID]; there || len(all) != 2 || all[b.ID].State != access.Disabled || all[c.ID].State != access.Active || all[b.ID].Unagreed {
			t.Errorf("%s has %+v", name, all)
		}
		if owed := m.owed(); len(owed) != 0 {
			t.Errorf("%s owes %v", name, owed)
		}
	}
}

// What is changed while the site is told of an earlier change is owed still.
func TestAChangeWhileAnotherIsPaid(t *testing.T) {
	m := member{t, filepath.Join(t.TempDir(), "keys"), map[string][]byte{}}
	a := apply(t, m.path, access.Change{Do: access.Create})
	apply(t, m.path, access.Change{Do: access.Create})
	paid := m.owed()
	apply(t, m.path, access.Change{Do: access.Disable, Key: a.ID})
	m.agree(paid)
	if all := m.keys(); all[a.ID].State != access.Disabled || len(m.owed()) != 1 {
		t.Errorf("%+v owes %d", all, len(m.owed()))
	}
	m.agree(m.owed())
	if all := m.keys(); all[a.ID].State != access.Disabled || len(m.owed()) != 0 {
		t.Errorf("%+v", all)
	}
}

// A plain line is a new key, and no way to take a policy from an old one. A
// damaged line deletes nothing.
func TestPlainLinesAreNewKeys(t *testing.T) {
	m := member{t, filepath.Join(t.TempDir(), "keys"), map[string][]byte{}}
	a := apply(t, m.path, access.Change{Do: access.Create, Policy: `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`})
	m.agree(m.owed())
	if err := os.WriteFile(m.path, []byte(a.ID+" anothersecret\nAKIDNEW secretsecret\nrot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := access.OpenKeys(m.path, seals, time.Now); err != nil {
		t.Fatal(err)
	}
	m.agree(m.owed())
	all := m.keys()
	if len(all) != 2 || len(all[a.ID].Policy) == 0 || len(m.site) != 2 {
		t.Errorf("%+v, the site knows %d", all, len(m.site))
	}
}
