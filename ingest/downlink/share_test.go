package downlink_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"headgate/ingest/downlink"
)

// TestWhatAMemberLeavesGoesToOthers: what it was not sent, and what it has not
// answered, but for what it was sent with QoS 2 (MQTT 5.0, 4.8.2).
func TestWhatAMemberLeavesGoesToOthers(t *testing.T) {
	for _, name := range []string{"$share/g/t/#", "$share/g/$stream/s"} {
		r := start(t, 1)
		a, b := r.reader("a"), r.reader("b")
		r.subscribe(a, name, 2, nil)
		r.subscribe(b, name, 1, nil)
		for i := range 20 {
			r.publish("t/x", 2, fmt.Sprint(i))
		}
		var taken []downlink.Delivery
		for len(taken) < 4 {
			taken = append(taken, a.Take(4-len(taken))...)
		}
		a.Done(taken[0].Place())
		subs, _ := r.Close(a.Inbox, []downlink.Unanswered{{Place: taken[2].Place()}, {Place: taken[1].Place()}})
		got := b.read(17) // of 20, without the answered one and the two that are the session's
		for i := range got {
			_, got[i], _ = strings.Cut(got[i], " ")
		}
		for _, n := range []int{0, 1, 2} {
			if slices.Contains(got, taken[n].Body.(string)) {
				t.Errorf("%s: what the session has was given to another, too", name)
			}
		}
		if !slices.Contains(got, taken[3].Body.(string)) {
			t.Errorf("%s: %v is lost", name, taken[3].Body)
		}
		a = r.reader("a")
		a.Settle([]downlink.Unanswered{{Place: taken[1].Place()}}, nil)
		if err := r.Resume(t.Context(), a.Inbox, subs, nil, 0); err != nil {
			t.Fatal(err)
		}
		if d, ok, err := r.Fetch(t.Context(), a.Inbox, taken[1].Place()); err != nil || !ok || d.Body != taken[1].Body || d.QoS != 2 {
			t.Errorf("%s: the session is not sent again what it has: %v %v", name, ok, err)
		}
	}
}

// TestAnUnansweredMessageOfQoS1IsNotTheSessions: another member got it.
func TestAnUnansweredMessageOfQoS1IsNotTheSessions(t *testing.T) {
	r := start(t, 1)
	a, b := r.reader("a"), r.reader("b")
	r.subscribe(a, "$share/g/t", 1, nil)
	r.publish("t", 1, "x")
	var taken []downlink.Delivery
	for len(taken) == 0 {
		taken = a.Take(1)
	}
	r.subscribe(b, "$share/g/t", 1, nil)
	out := []downlink.Unanswered{{Place: taken[0].Place()}}
	subs, _ := r.Close(a.Inbox, out)
	b.read(1)
	a = r.reader("a")
	a.Settle(out, nil)
	if err := r.Resume(t.Context(), a.Inbox, subs, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := r.Fetch(t.Context(), a.Inbox, taken[0].Place()); ok || err != nil {
		t.Error("it is sent to two", err)
	}
}

// TestAGroupLastsAsLongAsItsSessions: without members a group whose sessions
// last goes on where it was, others begin anew.
func TestAGroupLastsAsLongAsItsSessions(t *testing.T) {
	for _, lasts := range []time.Duration{0, time.Hour} {
		r := start(t, 2)
		s := downlink.Subscription{Group: "g", Filter: "t/#", QoS: 1, Lasts: lasts}
		a := r.reader("a")
		if _, err := r.Subscribe(t.Context(), a.Inbox, s); err != nil {
			t.Fatal(err)
		}
		r.publish("t/1", 1, "1")
		a.read(1)
		r.Close(a.Inbox, nil)
		r.until("the group is given up", func() bool { return r.Leases() == 0 })
		r.publish("t/2", 1, "2")
		b := r.reader("b")
		if _, err := r.Subscribe(t.Context(), b.Inbox, s); err != nil {
			t.Fatal(err)
		}
		r.publish("t/3", 1, "3")
		want := 1
		if lasts > 0 {
			want = 2
		}
		if got := b.read(want); slices.Contains(got, "t/2 2") != (lasts > 0) {
			t.Errorf("lasts %v: %v", lasts, got)
		}
	}
}

func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(20 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-late:
			r.t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// TestLeasesAreBalanced: each gateway with members reads as many shards as the
// others, also of shards that come from splits, and another takes over what
// one had that died.
func TestLeasesAreBalanced(t *testing.T) {
	r := start(t, 8)
	two, kill := r.gateway(2)
	three, _ := r.gateway(3)
	gateways := []*downlink.Follower{r.Follower, two, three}
	var members []*reader
	for i, f := range gateways {
		d := r.readerAt(f, fmt.Sprint("m", i))
		r.subscribe(d, "$share/g/$stream/s", 1, nil)
		members = append(members, d)
	}
	leases := func() (all []int) {
		for _, f := range gateways {
			all = append(all, f.Leases())
		}
		slices.Sort(all)
		return all
	}
	r.until("three share eight", func() bool { return slices.Equal(leases(), []int{2, 3, 3}) })
	kill()
	gateways = []*downlink.Follower{r.Follower, three}
	r.until("two share eight", func() bool { return slices.Equal(leases(), []int{4, 4}) })
	three.Close(members[2].Inbox, nil)
	gateways = gateways[:1]
	r.until("one has all", func() bool { return slices.Equal(leases(), []int{8}) })
}

// TestGroupsOfManyGateways: members at three gateways come, go, leave messages
// unanswered, and one gateway dies, while shards split and merge. Every record
// is answered by somebody, and while nothing dies each by one alone.
func TestGroupsOfManyGateways(t *testing.T) {
	for seed := range uint64(6) {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprint(seed, dies), func(t *testing.T) {
				r := start(t, 4)
				chance := rand.New(rand.NewPCG(seed, 11))
				name := []string{"$share/g/#", "$share/g/$stream/s/from/earliest"}[seed%2]
				two, kill := r.gateway(2)
				three, _ := r.gateway(3)
				gateways := []*downlink.Follower{r.Follower, two, three}
				var members []*reader
				join := func(at int) {
					d := r.readerAt(gateways[at], fmt.Sprint("m", at, chance.IntN(1000)))
					s, err := downlink.ParseName(name)
					if err != nil {
						t.Fatal(err)
					}
					s.QoS, s.Lasts = 1, time.Hour // else the group ends with its last member
					if _, err := d.at.Subscribe(t.Context(), d.Inbox, s); err != nil {
						t.Fatal(err)
					}
					members = append(members, d)
				}
				for i := range 3 {
					join(i)
				}
				const n = 1500
				done := make(chan struct{})
				go func() {
					defer close(done)
					tick := time.NewTicker(time.Millisecond)
					defer tick.Stop()
					for i := range n {
						<-tick.C
						r.publish(fmt.Sprint("k", i%11), 1, fmt.Sprint(i))
						if i%150 == 50 {
							r.reshard(rand.New(rand.NewPCG(seed, uint64(i))))
						}
					}
				}()
				answered := map[string]int{}
				for late := time.Now().Add(40 * time.Second); len(answered) < n; {
					if time.Now().After(late) {
						t.Fatalf("%d of %d", len(answered), n)
					}
					for i := 0; i < len(members); i++ {
						d, left := members[i], []downlink.Unanswered(nil)
						for _, one := range d.Take(1 + chance.IntN(20)) {
							if chance.IntN(100) == 0 {
								left = append(left, downlink.Unanswered{Place: one.Place()})
								continue
							}
							d.Done(one.Place())
							answered[one.Topic+" "+one.Body.(string)]++
						}
						if len(left) > 0 { // it goes, and another comes elsewhere
							d.at.Close(d.Inbox, left)
							members = slices.Delete(members, i, i+1)
							join(chance.IntN(len(gateways)))
						}
					}
					if dies && len(answered) > n/2 {
						dies = false
						kill()
						members = slices.DeleteFunc(members, func(d *reader) bool { return d.at == two })
						gateways = []*downlink.Follower{r.Follower, three}
						join(0)
					}
					<-time.After(time.Millisecond)
				}
				<-done
				twice := 0
				for _, times := range answered {
					if times > 1 {
						twice++
					}
				}
				if twice > 0 && len(gateways) == 3 {
					t.Errorf("%d of %d records were answered twice though nothing died", twice, n)
				}
				t.Logf("%d answered twice", twice)
			})
		}
	}
}

// TestOneGroupByTwoNames: where to begin is no part of a group's name.
func TestOneGroupByTwoNames(t *testing.T) {
	r := start(t, 1)
	r.publish("k", 0, "0")
	a, b := r.reader("a"), r.reader("b")
	r.subscribe(a, "$share/g/$stream/s/from/earliest", 1, nil)
	a.read(1)
	r.subscribe(b, "$share/g/$stream/s", 1, nil)
	for i := range 10 {
		r.publish("k", 0, fmt.Sprint(i+1))
	}
	if got := append(a.read(5), b.read(5)...); len(got) != 10 {
		t.Error(got)
	}
}
