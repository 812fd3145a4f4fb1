package access_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"headgate/gateway/access"
	"headgate/shardlog"
)

// opened is a key file with its first pair.
func opened(t *testing.T) (path string, keys *access.Keys, first access.KeyPair) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keys")
	keys, pair, err := access.OpenKeys(path, seals, time.Now)
	if err != nil || pair == nil {
		t.Fatalf("pair %v, %v", pair, err)
	}
	return path, keys, *pair
}

func apply(t *testing.T, path string, c access.Change) access.Made {
	t.Helper()
	made, err := access.Apply(path, seals, time.Now(), c)
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	return made
}

func TestKeysChangeWhileTheyAreInUse(t *testing.T) {
	path, keys, first := opened(t)
	accepts := func(want bool, ids ...string) {
		t.Helper()
		if err := keys.Reload(); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if _, ok := keys.Secret(id); ok != want {
				t.Errorf("key %s accepted: %v", id, ok)
			}
		}
	}
	second := apply(t, path, access.Change{Do: access.Create, Name: "press-7", Policy: `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`})
	if _, ok := keys.Secret(second.ID); ok {
		t.Error("accepted before it was read")
	}
	accepts(true, first.ID, second.ID)
	if name, policy, ok := keys.Policy(second.ID); !ok || name != "press-7" || policy == nil {
		t.Errorf("policy of %q: %v, %v", name, policy, ok)
	}
	if name, policy, ok := keys.Policy(first.ID); !ok || name != first.ID || policy != nil {
		t.Errorf("policy of %q: %v, %v", name, policy, ok)
	}
	apply(t, path, access.Change{Do: access.Disable, Key: "press-7"})
	accepts(false, second.ID)
	apply(t, path, access.Change{Do: access.Enable, Key: second.ID})
	accepts(true, second.ID)
	apply(t, path, access.Change{Do: access.SetPolicy, Key: "press-7"})
	accepts(true, second.ID)
	if _, policy, _ := keys.Policy(second.ID); policy != nil {
		t.Error("the policy is still there")
	}
	apply(t, path, access.Change{Do: access.Delete, Key: second.ID})
	accepts(false, second.ID)
	accepts(true, first.ID)
	if all := keys.List(); len(all) != 1 || all[0].ID != first.ID {
		t.Errorf("listed %+v", all)
	}
}

func TestChangesThatAreRefused(t *testing.T) {
	path, _, first := opened(t)
	named := apply(t, path, access.Change{Do: access.Create, Name: "press-7"})
	apply(t, path, access.Change{Do: access.Rotate, Key: "press-7", For: time.Hour})
	for _, c := range []struct {
		change access.Change
		kind   shardlog.Kind
	}{
		{access.Change{Do: access.Delete, Key: "nobody"}, shardlog.NotFound},
		{access.Change{Do: "bless", Key: first.ID}, shardlog.Invalid},
		{access.Change{Do: access.Create, Name: "a*"}, shardlog.Invalid},
		{access.Change{Do: access.Create, Name: "press-7"}, shardlog.InUse},
		{access.Change{Do: access.Create, Name: first.ID}, shardlog.Invalid},
		{access.Change{Do: access.Create, Policy: "{"}, shardlog.Invalid},
		{access.Change{Do: access.Create, For: -time.Second}, shardlog.Invalid},
		{access.Change{Do: access.SetPolicy, Key: first.ID, Policy: `{"Version":"2012-10-17"}`}, shardlog.Invalid},
		{access.Change{Do: access.Delete, Key: "press-7"}, shardlog.Invalid}, // which of the two?
		{access.Change{Do: access.Rotate, Key: named.ID}, shardlog.LimitExceeded},
		{access.Change{Do: access.SetPolicy, Key: "nobody"}, shardlog.NotFound},
	} {
		if _, err := access.Apply(path, seals, time.Now(), c.change); shardlog.KindOf(err) != c.kind {
			t.Errorf("%+v: %v", c.change, err)
		}
	}
	apply(t, path, access.Change{Do: access.SetPolicy, Key: "press-7"}) // of both of them
	only, _, _ := opened(t)
	all, err := access.List(only, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := access.Apply(only, seals, time.Now(), access.Change{Do: access.Delete, Key: all[0].ID}); shardlog.KindOf(err) != shardlog.InUse {
		t.Errorf("the only key was deleted: %v", err)
	}
}

// A rotated key has a successor of its name and policy, and ends by itself.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	keys, _, err := access.OpenKeys(path, seals, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	change := func(c access.Change) access.Made {
		made, err := access.Apply(path, seals, now, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := keys.Reload(); err != nil {
			t.Fatal(err)
		}
		return made
	}
	const policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	first := change(access.Change{Do: access.Create, Name: "press-7", Policy: policy})
	second := change(access.Change{Do: access.Rotate, Key: "press-7", For: time.Hour})
	if second.Name != "press-7" || string(second.Policy) != policy || !second.Ends.IsZero() || second.Secret == "" {
		t.Errorf("the second is %+v", second)
	}
	for _, step := range []struct {
		after         time.Duration
		first, second bool
	}{{0, true, true}, {59 * time.Minute, true, true}, {time.Minute, false, true}} {
		now = now.Add(step.after)
		_, one := keys.Secret(first.ID)
		_, two := keys.Secret(second.ID)
		if one != step.first || two != step.second {
			t.Errorf("after %v: %v, %v", step.after, one, two)
		}
	}
	third := change(access.Change{Do: access.Rotate, Key: second.ID, For: 0})
	if _, ok := keys.Secret(second.ID); ok {
		t.Error("the second is accepted, although it was to end at once")
	}
	states := map[string]string{}
	for _, key := range keys.List() {
		states[key.ID] = key.State
	}
	if _, there := states[first.ID]; there || states[second.ID] != access.Ended || states[third.ID] != access.Active {
		t.Errorf("there are %v", states)
	}
}

func TestAKeyForATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	keys, _, err := access.OpenKeys(path, seals, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	made, err := access.Apply(path, seals, now, access.Change{Do: access.Create, For: time.Hour})
	if err != nil || keys.Reload() != nil {
		t.Fatal(err)
	}
	if _, ok := keys.Secret(made.ID); !ok {
		t.Error("not accepted")
	}
	now = now.Add(time.Hour)
	if _, ok := keys.Secret(made.ID); ok {
		t.Error("accepted after its time")
	}
}

func TestReloadKeepsWhatWasAccepted(t *testing.T) {
	path, keys, first := opened(t)
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

// What people wrote stays where it is, and a line of which only a part is
// understood is no key: its policy might be the rest.
func TestChangesKeepForeignLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	rot := `AKIDROT {"secret":"secretsecret","policy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Conditon":{}}]}}`
	if err := os.WriteFile(path, []byte("# ours\nAKIDEXAMPLE secretsecret\n"+rot+"\nAKIDOTHER secretsecret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.Apply(path, nil, time.Now(), access.Change{Do: access.Create}); err != nil {
		t.Fatal(err)
	}
	keys, first, err := access.OpenKeys(path, seals, time.Now)
	if err != nil || first != nil || keys.Skipped() != 1 {
		t.Fatalf("made %v, skipped %d, %v", first, keys.Skipped(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != "# ours" || lines[2] != rot || !strings.HasPrefix(lines[3], "AKIDOTHER {") || len(lines) != 6 {
		t.Errorf("file %q", text)
	}
	if strings.Count(string(text), "secretsecret") != 1 { // of the one that is not understood
		t.Errorf("secrets lie open: %s", text)
	}
	if _, ok := keys.Secret("AKIDROT"); ok {
		t.Error("a key whose policy is not understood is accepted")
	}
	if secret, ok := keys.Secret("AKIDEXAMPLE"); !ok || secret != "secretsecret" {
		t.Errorf("%q, %v", secret, ok)
	}
}

func TestKeysAreCreatedByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := access.Apply(path, seals, time.Now(), access.Change{Do: access.Create}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if ids, err := access.List(path, time.Now()); err != nil || len(ids) != 20 {
		t.Errorf("%d keys, %v", len(ids), err)
	}
}
