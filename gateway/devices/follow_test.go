package devices_test

import (
	"testing"
	"testing/synctest"
	"time"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

func TestSessionsOnOtherGatewaysFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		other := r.gateway(devices.Config{})
		defer run(t, other)()
		sessions := map[string]*devices.Session{}
		for _, id := range []string{"stays", "disabled", "revoked", "deleted", "reset", "described"} {
			r.create(devices.Order{ID: id, Password: "correct horse"})
			sessions[id] = r.in(other, password(id, "correct horse"))
		}
		ctx := t.Context()
		_, err1 := r.store.Disable(ctx, "disabled")
		_, err2 := r.store.Revoke(ctx, "revoked")
		err3 := r.store.Delete(ctx, "deleted")
		_, err4 := r.store.SetPassword(ctx, "reset", "another horse")
		_, err5 := r.store.Describe(ctx, "described", devices.Details{Groups: []string{"g"}})
		for _, err := range []error{err1, err2, err3, err4, err5} {
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		for id, s := range sessions {
			if want := id != "stays" && id != "described"; ended(s) != want {
				t.Errorf("%s: ended %v", id, ended(s))
			}
		}
		r.out(other, password("disabled", "correct horse"), shardlog.Denied)
	})
}

func TestAFleetRotatesInFewChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		secrets := map[string]string{}
		for i := range 200 {
			id := "d" + string(rune('a'+i/26)) + string(rune('a'+i%26))
			r.create(devices.Order{ID: id})
			for range 2 {
				s, err := r.store.Rotate(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				secrets[id] = s.Text()
			}
		}
		changes := 0
		r.states.Fail = func(op string) error {
			if op == "mutate" {
				changes++
			}
			return nil
		}
		defer run(t, r.store)()
		for id, secret := range secrets {
			r.in(r.store, password(id, secret))
		}
		time.Sleep(5 * time.Second)
		for id := range secrets {
			if d := r.get(id); d.Passwords != 1 {
				t.Errorf("%+v", d)
			}
		}
		if changes > 10 || r.store.Stats().Promoted != 200 {
			t.Errorf("%d changes, %+v", changes, r.store.Stats())
		}
	})
}
