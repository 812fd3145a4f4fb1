package access_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"headgate/gateway/access"
	"headgate/shardlog"
)

func TestKeysChangeWhileTheyAreInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	keys, first, err := access.OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := access.Revoke(path, first.ID); shardlog.KindOf(err) != shardlog.InUse {
		t.Errorf("the only key was revoked: %v", err)
	}
	second, err := access.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := keys.Secret(second.ID); ok {
		t.Error("accepted before it was read")
	}
	if err := keys.Reload(); err != nil {
		t.Fatal(err)
	}
	if secret, ok := keys.Secret(second.ID); !ok || secret != second.Secret || keys.Len() != 2 {
		t.Errorf("accepted %v, %d keys", ok, keys.Len())
	}
	if err := access.Revoke(path, "nobody"); shardlog.KindOf(err) != shardlog.NotFound {
		t.Errorf("revoked nobody: %v", err)
	}
	if err := access.Revoke(path, first.ID); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, ok := keys.Secret(first.ID); ok {
		t.Error("accepted after it was revoked")
	}
	if ids, err := access.List(path); err != nil || !slices.Equal(ids, []string{second.ID}) {
		t.Errorf("listed %v, %v", ids, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file %v, %v", info, err)
	}
}

func TestReloadKeepsWhatWasAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	keys, first, err := access.OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("rot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(); shardlog.KindOf(err) != shardlog.Corrupt {
		t.Errorf("reloaded rot: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if keys.Reload() == nil {
		t.Error("reloaded a file that is not there")
	}
	if _, ok := keys.Secret(first.ID); !ok {
		t.Error("nobody may come in any more")
	}
}

func TestChangesKeepForeignLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("# ours\nAKIDEXAMPLE secretsecret\nAKIDOTHER secretsecret"), 0o600); err != nil {
		t.Fatal(err)
	}
	pair, err := access.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := access.Revoke(path, "AKIDEXAMPLE"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if want := "# ours\nAKIDOTHER secretsecret\n" + pair.ID + " " + pair.Secret + "\n"; err != nil || string(text) != want {
		t.Errorf("file %q, %v", text, err)
	}
}

func TestKeysAreCreatedByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := access.Create(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if ids, err := access.List(path); err != nil || len(ids) != 20 {
		t.Errorf("%d keys, %v", len(ids), err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Count(string(text), "#") != 1 {
		t.Errorf("file %q, %v", text, err)
	}
}
