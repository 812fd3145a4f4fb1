package devices_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

func TestDevicesAreMadeAndFound(t *testing.T) {
	r := newRig(t)
	made := r.create(devices.Order{ID: "press-7", Password: "correct horse", Details: devices.Details{
		Groups: []string{"hall-2"}, Attributes: map[string]string{"site": "Köln", "line": "4"}}})
	r.create(devices.Order{ID: "pump-1"})
	if got := r.get("press-7"); !reflect.DeepEqual(got, made) || got.Passwords != 1 || got.State != devices.Active || got.Attributes["site"] != "Köln" || got.Created.IsZero() {
		t.Errorf("got %+v, made %+v", got, made)
	}
	_, err := r.store.Create(t.Context(), devices.Order{ID: "pump-1"})
	wantKind(t, err, shardlog.InUse)
	_, err = r.store.Get(t.Context(), "nobody")
	wantKind(t, err, shardlog.NotFound)
	if all := r.store.List(t.Context(), "pu"); len(all) != 1 || all[0].ID != "pump-1" {
		t.Errorf("list: %+v", all)
	}
	other := r.gateway(devices.Config{})
	if got, err := other.Get(t.Context(), "press-7"); err != nil || !reflect.DeepEqual(got, made) {
		t.Errorf("another gateway: %+v, %v", got, err)
	}
}

func TestWhatNobodyMayBeCalled(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"", "a+b", "a#", "a/b", "$SYS", "a b", "a\x00", "-a", "_a", "ä", strings.Repeat("a", 65), "a,b", "=1"} {
		_, err := r.store.Create(t.Context(), devices.Order{ID: id})
		wantKind(t, err, shardlog.Invalid)
	}
	for _, id := range []string{"a", "AA:BB:CC:00:11:22", "urn~x@y", "9.a_b-c", strings.Repeat("a", 64)} {
		r.create(devices.Order{ID: id})
	}
	for _, d := range []devices.Details{
		{Groups: []string{"a/b"}}, {Groups: []string{""}}, {Groups: []string{"a", "a"}}, {Groups: make([]string, 17)},
		{Attributes: map[string]string{"a b": "c"}}, {Attributes: map[string]string{"a": ""}}, {Attributes: map[string]string{"a": "b\n"}},
		{Attributes: map[string]string{"a": " b"}}, {Attributes: map[string]string{"a": "\xff"}}, {Attributes: map[string]string{"password": "b"}},
		{Attributes: map[string]string{"a": strings.Repeat("b", 257)}},
	} {
		_, err := r.store.Create(t.Context(), devices.Order{ID: "x", Details: d})
		wantKind(t, err, shardlog.Invalid)
	}
	for _, p := range []string{"short", strings.Repeat("a", 257), "pass\x00word", "password\xff"} {
		_, err := r.store.Create(t.Context(), devices.Order{ID: "x", Password: p})
		wantKind(t, err, shardlog.Invalid)
	}
	for _, id := range []string{"", "a+", "#", "a/b", "$a", "a$b", "a b", "a\u200b", "a\n", "\xff", strings.Repeat("a", 129)} {
		wantKind(t, devices.CheckClientID(id), shardlog.Invalid)
	}
	if err := devices.CheckClientID("Gerät-7"); err != nil {
		t.Error(err)
	}
}

func TestDisableEnableRevokeDelete(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "a", Password: "correct horse"})
	here := r.in(r.store, password("a", "correct horse"))
	if d, err := r.store.Disable(t.Context(), "a"); err != nil || d.State != devices.Disabled {
		t.Fatal(d, err)
	}
	if !ended(here) {
		t.Error("a session outlived Disable")
	}
	r.out(r.store, password("a", "correct horse"), shardlog.Denied)
	if _, err := r.store.Disable(t.Context(), "a"); err != nil {
		t.Error("twice:", err)
	}
	if _, err := r.store.Enable(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	r.in(r.store, password("a", "correct horse"))
	if d, err := r.store.Revoke(t.Context(), "a"); err != nil || d.State != devices.Revoked || d.Passwords != 0 {
		t.Fatal(d, err)
	}
	r.out(r.store, password("a", "correct horse"), shardlog.Denied)
	_, err := r.store.Enable(t.Context(), "a")
	wantKind(t, err, shardlog.InUse)
	_, err = r.store.Rotate(t.Context(), "a")
	wantKind(t, err, shardlog.InUse)
	if err := r.store.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, r.store.Delete(t.Context(), "a"), shardlog.NotFound)
	r.create(devices.Order{ID: "a"})
}

func TestDescribeChangesWhatOpenSessionsMayDo(t *testing.T) {
	r := newRig(t)
	r.store = r.gateway(devices.Config{Rules: []devices.Rule{{Publish: []string{"hall/${attr.hall}/#"}}}})
	r.create(devices.Order{ID: "a", Password: "correct horse", Details: devices.Details{Attributes: map[string]string{"hall": "1"}}})
	s := r.in(r.store, password("a", "correct horse"))
	if !s.ACL().Publish("hall/1/x") || s.ACL().Publish("hall/2/x") {
		t.Error("before")
	}
	if _, err := r.store.Describe(t.Context(), "a", devices.Details{Attributes: map[string]string{"hall": "2"}}); err != nil {
		t.Fatal(err)
	}
	if s.ACL().Publish("hall/1/x") || !s.ACL().Publish("hall/2/x") || ended(s) {
		t.Error("after")
	}
}

func TestADamagedRowIsOneDevicesFault(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "good", Password: "correct horse"})
	for i, text := range []string{"{", `{"state":"odd"}`, `{"state":"active","passwords":["a","b","c"]}`, `{"state":"active","groups":["#"]}`} {
		id := fmt.Sprint("bad", i)
		if err := r.states.Mutate(t.Context(), shardlog.Mutation{Space: "device", Key: id, Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		_, err := r.store.Get(t.Context(), id)
		wantKind(t, err, shardlog.Corrupt)
		r.out(r.store, password(id, "correct horse"), shardlog.Corrupt)
		if all := r.store.List(t.Context(), id); len(all) != 1 || all[0].State != devices.Damaged {
			t.Errorf("list: %+v", all)
		}
		if err := r.store.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	for _, kept := range []string{"plain", "$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "$argon2id$v=19$m=19456,t=2,p=0$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "$sha256$AA$AA"} {
		text := fmt.Sprintf(`{"state":"active","passwords":[%q]}`, kept)
		if err := r.states.Mutate(t.Context(), shardlog.Mutation{Space: "device", Key: "odd", Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		r.out(r.store, password("odd", "correct horse"), shardlog.Corrupt)
	}
	r.in(r.store, password("good", "correct horse"))
}

func TestChangesAtOnceLoseNothing(t *testing.T) {
	r := newRig(t)
	other := r.gateway(devices.Config{})
	r.create(devices.Order{ID: "a"})
	var wg sync.WaitGroup
	for _, s := range []*devices.Store{r.store, other} {
		wg.Go(func() {
			for range 20 {
				if _, err := s.Rotate(t.Context(), "a"); err != nil && shardlog.KindOf(err) != shardlog.Conflict {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for i := range 20 {
				_, err := s.Describe(t.Context(), "a", devices.Details{Groups: []string{fmt.Sprint("g", i)}})
				if err != nil && shardlog.KindOf(err) != shardlog.Conflict {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if d := r.get("a"); d.Passwords != 2 || len(d.Groups) != 1 {
		t.Errorf("%+v", d)
	}
}

func TestFaultsOfTheStateComeThrough(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "a", Password: "correct horse"})
	broken := &shardlog.Error{Kind: shardlog.Unavailable, Op: "test"}
	r.states.Fail = func(op string) error {
		if op == "mutate" {
			return broken
		}
		return nil
	}
	_, err := r.store.Disable(t.Context(), "a")
	wantKind(t, err, shardlog.Unavailable)
	_, err = r.store.Rotate(t.Context(), "a")
	wantKind(t, err, shardlog.Unavailable)
	r.in(r.store, password("a", "correct horse")) // nobody has to be asked
	r.states.Fail = func(string) error { return broken }
	r.out(r.store, password("a", "correct horse"), shardlog.Unavailable)
}

func TestConfigIsChecked(t *testing.T) {
	_, err := devices.New(devices.Config{})
	wantKind(t, err, shardlog.Invalid)
	r := newRig(t)
	_, err = devices.New(devices.Config{States: r.states, Seals: r.seals, Rules: []devices.Rule{{Publish: []string{"a/#/b"}}}})
	wantKind(t, err, shardlog.Invalid)
}

func TestSecretsPrintAsNothing(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "a"})
	secret, err := r.store.Rotate(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	code, _, err := r.store.NewClaim(context.Background(), devices.ClaimOrder{Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{secret, &secret, code, struct{ S devices.Secret }{secret}, struct{ C devices.Code }{code}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, secret.Text()) || strings.Contains(text, code.Text()) || !strings.Contains(text, "***") {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
	for key, text := range r.states.List(t.Context(), "device", "") {
		if strings.Contains(string(text), secret.Text()) {
			t.Errorf("%s holds the password", key)
		}
	}
}
