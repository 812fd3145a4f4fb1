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

// seals are what the tests' secrets are sealed with.
var seals = access.Seals{access.NewSeal([]byte("of the tests"))}

func TestFirstStartMakesOnePair(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	keys, first, err := access.OpenKeys(path, seals, time.Now)
	if err != nil || first == nil {
		t.Fatalf("first start: pair %v, error %v", first, err)
	}
	if len(first.ID) != 20 || len(first.Secret) != 40 {
		t.Errorf("pair has %d and %d characters", len(first.ID), len(first.Secret))
	}
	if secret, ok := keys.Secret(first.ID); !ok || secret != first.Secret {
		t.Error("the new pair is not accepted")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file mode %v, error %v", info.Mode(), err)
	}

	again, second, err := access.OpenKeys(path, seals, time.Now)
	if err != nil || second != nil {
		t.Fatalf("second start: pair %v, error %v", second, err)
	}
	if secret, ok := again.Secret(first.ID); !ok || secret != first.Secret {
		t.Error("the pair is gone after a restart")
	}
	if _, ok := again.Secret("nobody"); ok {
		t.Error("an unknown id has a secret")
	}
}

func TestPairPrintsWithoutSecret(t *testing.T) {
	pair := access.KeyPair{ID: "AKIDEXAMPLE", Secret: "open sesame"}
	for _, text := range []string{fmt.Sprint(pair), fmt.Sprintf("%v %+v %#v %s", pair, &pair, pair, pair)} {
		if strings.Contains(text, "sesame") {
			t.Errorf("printed the secret: %s", text)
		}
	}
}

func TestOpenDamagedFile(t *testing.T) {
	for _, c := range []struct {
		name, text string
		kept       string
		skipped    int
	}{
		{"one good line", "garbage\n# note\nAKIDEXAMPLE secretsecret\n\x00\x00\n", "AKIDEXAMPLE", 2},
		{"no good line", "garbage garbage garbage\n", "", 1},
		{"empty", "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			keys, first, err := access.OpenKeys(path, seals, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if keys.Skipped() != c.skipped || len(keys.List()) != 1 {
				t.Errorf("skipped %d, kept %d", keys.Skipped(), len(keys.List()))
			}
			if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v", info.Mode())
			}
			if c.kept != "" {
				if _, ok := keys.Secret(c.kept); !ok || first != nil {
					t.Errorf("kept %v, made %v", ok, first)
				}
				return
			}
			if first == nil {
				t.Fatal("no new pair")
			}
			if old, err := os.ReadFile(path + ".broken"); err != nil || string(old) != c.text {
				t.Errorf("set aside %q, error %v", old, err)
			}
		})
	}
}

func TestOpenRefusesHugeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := access.OpenKeys(path, seals, time.Now); err == nil {
		t.Error("opened a file of 2 MiB")
	}
}
