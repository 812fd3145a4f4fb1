package devices_test

import (
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

func TestRenewalKeepsTheOldCertificateUntilTheNewOneConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer run(t, r.store)()
		key := newKey(t)
		_, old := r.claim(devices.ClaimOrder{Device: "a"}, key, "a")
		session := r.in(r.store, shows("a", old))
		r.clock.set(func(w *watch) { w.now = w.now.Add(60 * 24 * time.Hour) })
		lost, err := r.store.Renew(t.Context(), []*x509.Certificate{old}, request(t, newKey(t), named("a")))
		if err != nil {
			t.Fatal(err)
		}
		issued, err := r.store.Renew(t.Context(), []*x509.Certificate{old}, request(t, key, named(""))) // the same key may stay
		if err != nil {
			t.Fatal(err)
		}
		r.in(r.store, shows("a", old))
		r.out(r.store, shows("a", leafOf(t, lost.Certificate)), shardlog.Denied)
		if d := r.get("a"); len(d.Certificates) != 2 || !d.Certificates[1].Waiting {
			t.Errorf("%+v", d)
		}
		now := r.in(r.store, shows("a", leafOf(t, issued.Certificate)))
		time.Sleep(time.Second)
		if d := r.get("a"); len(d.Certificates) != 1 || d.Certificates[0].Serial != issued.Serial || !ended(session) || ended(now) {
			t.Errorf("%+v", d)
		}
		r.out(r.store, shows("a", old), shardlog.Denied)
		_, err = r.store.Renew(t.Context(), []*x509.Certificate{old}, request(t, key, named("a")))
		wantKind(t, err, shardlog.Denied)
	})
}

func TestRenewalRefuses(t *testing.T) {
	r := newRig(t)
	_, leaf := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	other := newRig(t)
	_, stranger := other.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	csr := request(t, newKey(t), named("a"))
	_, err := r.store.Renew(t.Context(), nil, csr)
	wantKind(t, err, shardlog.Denied)
	_, err = r.store.Renew(t.Context(), []*x509.Certificate{stranger}, csr)
	wantKind(t, err, shardlog.Denied)
	_, err = r.store.Renew(t.Context(), []*x509.Certificate{leaf}, request(t, newKey(t), named("b")))
	wantKind(t, err, shardlog.Invalid)
	r.clock.set(func(w *watch) { w.now = leaf.NotAfter.Add(29 * 24 * time.Hour) })
	r.out(r.store, shows("a", leaf), shardlog.Denied) // too late to connect, not to renew
	if _, err = r.store.Renew(t.Context(), []*x509.Certificate{leaf}, csr); err != nil {
		t.Fatal(err)
	}
	r.clock.set(func(w *watch) { w.now = leaf.NotAfter.Add(31 * 24 * time.Hour) })
	_, err = r.store.Renew(t.Context(), []*x509.Certificate{leaf}, csr)
	wantKind(t, err, shardlog.Denied)
}

func TestCertificatesOfOthersAreNotOurs(t *testing.T) {
	r, other := newRig(t), newRig(t)
	_, stranger := other.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	r.out(r.store, shows("a", stranger), shardlog.Denied) // there is no authority yet
	_, leaf := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	r.out(r.store, shows("a", stranger), shardlog.Denied)
	r.in(r.store, shows("a", leaf))
	ca, err := r.store.Authorities(t.Context())
	if err != nil || len(ca) != 1 {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(ca[0])
	if err != nil {
		t.Fatal(err)
	}
	r.out(r.store, shows("", root), shardlog.Denied)
	// A client may have a certificate for something else, and a password here.
	r.create(devices.Order{ID: "b", Password: "correct horse"})
	c := password("b", "correct horse")
	c.Certificates = []*x509.Certificate{stranger}
	r.in(r.store, c)
	c.Certificates = []*x509.Certificate{leaf}
	r.out(r.store, c, shardlog.Denied)
}

func TestRevokedCertificatesAreOnTheList(t *testing.T) {
	r := newRig(t)
	_, leaf := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	_, second := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	session := r.in(r.store, shows("a", leaf))
	_, err := r.store.RevokeCertificate(t.Context(), "a", "12")
	wantKind(t, err, shardlog.NotFound)
	_, err = r.store.RevokeCertificate(t.Context(), "a", "")
	wantKind(t, err, shardlog.NotFound)
	d, err := r.store.RevokeCertificate(t.Context(), "a", leaf.SerialNumber.Text(16))
	if err != nil || len(d.Certificates) != 1 || d.State != devices.Active {
		t.Fatal(d, err)
	}
	if !ended(session) {
		t.Error("the session stayed")
	}
	r.out(r.store, shows("a", leaf), shardlog.Denied)
	r.in(r.store, shows("a", second))
	if _, err := r.store.Revoke(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if all := r.store.Revocations(t.Context()); len(all) != 2 || all[0].Device != "a" {
		t.Errorf("%+v", all)
	}
	// Another device of that name does not bring them back.
	_, third := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	r.in(r.store, shows("a", third))
	r.out(r.store, shows("a", leaf), shardlog.Denied)
	r.out(r.store, shows("a", second), shardlog.Denied)
	// What ended long ago is forgotten.
	r.clock.set(func(w *watch) { w.now = w.now.Add(500 * 24 * time.Hour) })
	if _, err := r.store.Revoke(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if all := r.store.Revocations(t.Context()); len(all) != 1 {
		t.Errorf("%+v", all)
	}
}

func TestDatesAreJudgedAsFarAsTheClockIsTrusted(t *testing.T) {
	r := newRig(t)
	begin := r.clock.now
	_, leaf := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	end := leaf.NotAfter
	for _, c := range []struct {
		name        string
		now, latest time.Time
		trusted, in bool
	}{
		{"in time", begin.Add(time.Hour), time.Time{}, true, true},
		{"a little late", end.Add(4 * time.Minute), time.Time{}, true, true},
		{"late", end.Add(6 * time.Minute), time.Time{}, true, false},
		{"a little early", leaf.NotBefore.Add(-4 * time.Minute), time.Time{}, true, true},
		{"early", leaf.NotBefore.Add(-6 * time.Minute), time.Time{}, true, false},
		{"no clock: 1970", time.Unix(0, 0), time.Time{}, false, true},
		{"a clock that is ahead", end.AddDate(50, 0, 0), begin, false, true},
		{"no clock, but records that are later", time.Unix(0, 0), end.Add(time.Hour), false, false},
		{"no clock, records from before", time.Unix(0, 0), begin.AddDate(-1, 0, 0), false, true},
	} {
		r.clock.set(func(w *watch) { w.now, w.latest, w.trusted = c.now, c.latest, c.trusted })
		s, err := r.store.Verify(t.Context(), shows("a", leaf))
		if (err == nil) != c.in {
			t.Errorf("%s: %v", c.name, err)
		}
		if s != nil {
			s.Close()
		}
	}
}

// A site that has never had a clock enrols devices all the same.
func TestACertificateMadeWithoutAClockEndsWhenThereIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer run(t, r.store)()
		now := r.clock.now
		r.clock.set(func(w *watch) { w.now, w.trusted = time.Unix(100, 0), false })
		issued, leaf := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
		if !issued.NotAfter.IsZero() {
			t.Errorf("ends %v", issued.NotAfter)
		}
		r.in(r.store, shows("a", leaf))
		time.Sleep(time.Second)
		if d := r.get("a"); !d.Certificates[0].NotAfter.IsZero() {
			t.Errorf("%+v", d)
		}
		r.clock.set(func(w *watch) { w.now, w.trusted = now, true })
		r.in(r.store, shows("a", leaf))
		time.Sleep(time.Second)
		if d := r.get("a"); !d.Certificates[0].NotAfter.Equal(now.Add(90 * 24 * time.Hour)) {
			t.Errorf("%+v", d)
		}
		r.clock.set(func(w *watch) { w.now = now.Add(91 * 24 * time.Hour) })
		r.out(r.store, shows("a", leaf), shardlog.Denied)
	})
}

func TestEveryGatewaySignsWithTheSameAuthority(t *testing.T) {
	r := newRig(t)
	other := r.gateway(devices.Config{})
	_, leaf := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	r.in(other, shows("a", leaf))
	issued, err := other.Renew(t.Context(), []*x509.Certificate{leaf}, request(t, newKey(t), named("a")))
	if err != nil {
		t.Fatal(err)
	}
	r.in(r.store, shows("a", leafOf(t, issued.Certificate)))
	for key, text := range r.states.List(t.Context(), "device.authority", "") {
		if _, _, ok := newSeals(1).OpenSecret(key, string(text)); ok || len(text) == 0 {
			t.Error("the key lies open")
		}
	}
}

func TestAnotherSeal(t *testing.T) {
	r := newRig(t)
	_, leaf := r.claim(devices.ClaimOrder{Device: "a"}, newKey(t), "a")
	code, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Count: 9})
	if err != nil {
		t.Fatal(err)
	}
	// Lost: devices connect, but nobody can sign.
	lost := r.gateway(devices.Config{Seals: newSeals(1)})
	r.in(lost, shows("a", leaf))
	_, err = lost.Claim(t.Context(), code.Text(), request(t, newKey(t), named("b")))
	wantKind(t, err, shardlog.Corrupt)
	// Changed: what the old one sealed is sealed anew when somebody signs.
	fresh := newSeals(1)
	changed := r.gateway(devices.Config{Seals: append(fresh, r.seals...)})
	if _, err = changed.Claim(t.Context(), code.Text(), request(t, newKey(t), named("c"))); err != nil {
		t.Fatal(err)
	}
	without := r.gateway(devices.Config{Seals: fresh})
	if _, err = without.Claim(t.Context(), code.Text(), request(t, newKey(t), named("d"))); err != nil {
		t.Fatal(err)
	}
	// Given up: a new authority signs, the old one is believed, until it is forgotten.
	if err := lost.RenewAuthority(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err = lost.Claim(t.Context(), code.Text(), request(t, newKey(t), named("e"))); err != nil {
		t.Fatal(err)
	}
	r.in(lost, shows("a", leaf))
	if err := lost.RenewAuthority(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	r.out(lost, shows("a", leaf), shardlog.Denied)
}
