package access_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headgate/gateway/access"
)

// Whoever has the key file has no secret; who has another seal has none either,
// and is told so; the first of several seals takes over from the others.
func TestSecretsAreSealed(t *testing.T) {
	path, _, first := opened(t)
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), first.Secret) {
		t.Errorf("the secret lies open in %s, %v", text, err)
	}
	other := access.NewSeal([]byte("another"))
	keys, made, err := access.OpenKeys(path, access.Seals{other}, time.Now)
	if err != nil || made != nil {
		t.Fatalf("made %v, %v", made, err)
	}
	if _, ok := keys.Secret(first.ID); ok || keys.List()[0].State != access.Sealed {
		t.Errorf("opened by another seal: %+v", keys.List())
	}
	if same, _ := os.ReadFile(path); string(same) != string(text) {
		t.Error("what cannot be opened was changed")
	}
	if _, _, err := access.OpenKeys(path, access.Seals{other, seals[0]}, time.Now); err != nil {
		t.Fatal(err)
	}
	keys, _, err = access.OpenKeys(path, access.Seals{other}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if secret, ok := keys.Secret(first.ID); !ok || secret != first.Secret {
		t.Error("the other seal did not take over")
	}
}

// A secret that is moved to another id cannot be opened.
func TestSealedSecretsBelongToTheirKeys(t *testing.T) {
	path, _, first := opened(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), first.ID, "AKIDEXAMPLE")), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, _, err := access.OpenKeys(path, seals, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := keys.Secret("AKIDEXAMPLE"); ok {
		t.Error("opened")
	}
}

func TestSealFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal")
	one, err := access.OpenSeal(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := access.OpenSeal(path); err != nil || again != one {
		t.Errorf("another seal, %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := access.OpenSeal(path); err != nil || other == one {
		t.Errorf("the damaged seal: %v", err)
	}
	if kept, err := os.ReadFile(path + ".broken"); err != nil || string(kept) != "half" {
		t.Errorf("kept %q, %v", kept, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", one, one, access.Seals{one}); strings.Count(text, "***") != 3 {
		t.Errorf("printed %s", text)
	}
}
