package devices_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

func TestPasswordsLetIn(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "a", Password: "correct horse"})
	r.create(devices.Order{ID: "b"})
	s := r.in(r.store, password("a", "correct horse"))
	if s.Device() != "a" || !s.ACL().Publish("d/a/x") || s.ACL().Publish("d/b/x") {
		t.Error("session of", s.Device())
	}
	r.in(r.store, devices.Connection{Username: "a", Password: []byte("correct horse")}) // the client leaves its id to the server
	for _, c := range []devices.Connection{
		password("a", "wrong horse"), password("a", ""), password("b", "correct horse"), password("nobody", "correct horse"), {},
		{ClientID: "b", Username: "a", Password: []byte("correct horse")},
		{ClientID: "a/b", Username: "a", Password: []byte("correct horse")},
		{ClientID: "a"}, password("a", strings.Repeat("x", 4096)), {Username: strings.Repeat("x", 4096)},
	} {
		r.out(r.store, c, shardlog.Denied)
	}
	if st := r.store.Stats(); st.ByPassword != 2 || st.Refused != 10 || st.Sessions != 2 {
		t.Errorf("%+v", st)
	}
	s.Close()
	s.Close()
	if st := r.store.Stats(); st.Sessions != 1 {
		t.Errorf("%+v", st)
	}
}

// A gateway that comes back has its whole fleet connect at once, and again
// after each fault of the network.
func TestAStormOfKnownPasswordsHashesNothing(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "a", Password: "correct horse"})
	r.in(r.store, password("a", "correct horse")).Close()
	r.out(r.store, password("a", "wrong horse"), shardlog.Denied)
	hashed := r.store.Stats().Hashed
	began := time.Now()
	for range 2000 {
		r.in(r.store, password("a", "correct horse")).Close()
		r.out(r.store, password("a", "wrong horse"), shardlog.Denied)
	}
	st := r.store.Stats()
	if st.Hashed != hashed || st.Recalled < 4000 {
		t.Errorf("%+v", st)
	}
	t.Logf("4000 connections in %v", time.Since(began))
	if _, err := r.store.SetPassword(t.Context(), "a", "another horse"); err != nil {
		t.Fatal(err)
	}
	r.out(r.store, password("a", "correct horse"), shardlog.Denied) // what was remembered is of the old one
	r.in(r.store, password("a", "another horse"))
}

func TestPasswordsMadeHereNeedNoMemory(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "a"})
	secret, err := r.store.Rotate(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		r.out(r.store, password("a", "a guess of somebody"), shardlog.Denied)
	}
	r.in(r.store, password("a", secret.Text()))
	if st := r.store.Stats(); st.Hashed != 0 {
		t.Errorf("%+v", st)
	}
}

func TestGuessesAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.create(devices.Order{ID: "a", Password: "correct horse"})
		known := r.gateway(devices.Config{})
		r.in(known, password("a", "correct horse"))
		for i := range 5 {
			for _, s := range []*devices.Store{r.store, known} {
				r.out(s, password("a", "a wrong one "+string(rune('a'+i))), shardlog.Denied)
			}
		}
		err := r.out(r.store, password("a", "a wrong one z"), shardlog.Throttled)
		wait := shardlog.RetryAfter(err)
		if wait <= 0 || wait > 10*time.Second {
			t.Errorf("wait %v", wait)
		}
		r.out(r.store, password("a", "correct horse"), shardlog.Throttled) // it cannot be known without a hash
		r.in(known, password("a", "correct horse"))                        // here it is
		time.Sleep(wait)
		r.in(r.store, password("a", "correct horse"))
	})
}

func TestNoMoreHashesAtOnceThanAllowed(t *testing.T) {
	r := newRig(t)
	r.create(devices.Order{ID: "a", Password: "correct horse"})
	s := r.gateway(devices.Config{Hashes: 1, Waiting: 1})
	var wg sync.WaitGroup
	var mu sync.Mutex
	kinds := map[shardlog.Kind]int{}
	for i := range 12 {
		wg.Go(func() {
			_, err := s.Verify(t.Context(), password("a", "wrong "+strings.Repeat("x", i+8)))
			mu.Lock()
			defer mu.Unlock()
			kinds[shardlog.KindOf(err)]++
		})
	}
	wg.Wait()
	if st := s.Stats(); kinds[shardlog.Throttled]+kinds[shardlog.Denied] != 12 || kinds[shardlog.Throttled] == 0 || st.Waiting != 0 || st.Hashed > 5 {
		t.Errorf("%v %+v", kinds, st)
	}
}

func TestRotationKeepsTheOldPasswordUntilTheNewOneConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.create(devices.Order{ID: "a", Password: "correct horse"})
		defer run(t, r.store)()
		lost, err := r.store.Rotate(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		secret, err := r.store.Rotate(t.Context(), "a") // the first was never used
		if err != nil {
			t.Fatal(err)
		}
		old := r.in(r.store, password("a", "correct horse"))
		time.Sleep(time.Minute)
		if d := r.get("a"); d.Passwords != 2 || ended(old) {
			t.Errorf("%+v", d)
		}
		r.out(r.store, password("a", lost.Text()), shardlog.Denied)
		now := r.in(r.store, password("a", secret.Text()))
		time.Sleep(time.Second)
		if d := r.get("a"); d.Passwords != 1 || !ended(old) || ended(now) {
			t.Errorf("%+v, ended %v %v", d, ended(old), ended(now))
		}
		r.out(r.store, password("a", "correct horse"), shardlog.Denied)
		r.in(r.store, password("a", secret.Text()))
	})
}

// While the site has no leader nothing can be written down, but devices
// connect all the same.
func TestRotationWaitsForTheSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.create(devices.Order{ID: "a", Password: "correct horse"})
		secret, err := r.store.Rotate(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		var away atomic.Bool
		away.Store(true)
		r.states.Fail = func(op string) error {
			if away.Load() && op == "mutate" {
				return &shardlog.Error{Kind: shardlog.Unavailable, Op: op}
			}
			return nil
		}
		defer run(t, r.store)()
		r.in(r.store, password("a", secret.Text()))
		time.Sleep(time.Minute)
		r.in(r.store, password("a", "correct horse"))
		synctest.Wait()
		away.Store(false)
		time.Sleep(10 * time.Second)
		if d := r.get("a"); d.Passwords != 1 {
			t.Errorf("%+v", d)
		}
		r.out(r.store, password("a", "correct horse"), shardlog.Denied)
	})
}
