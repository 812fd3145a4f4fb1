package downlink_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"headgate/ingest/downlink"
	"headgate/shardlog"
)

func TestAStreamIsReadFromWhereItIsAskedFor(t *testing.T) {
	r := start(t, 1)
	for i := range 10 {
		r.publish("k", 0, fmt.Sprint(i))
	}
	s, _ := r.log.Stream("s")
	page, err := r.log.Read(t.Context(), s.Shards[0].ID, shardlog.Cursor{}, shardlog.Budget{Records: 100, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	number := s.Shards[0].Number(8, page.Records[7].Arrived)
	for _, c := range []struct {
		name  string
		first int
	}{
		{"$stream/s", 10}, {"$stream/s/from/latest", 10}, {"$stream/s/from/earliest", 0}, {"$stream/s/from/seq/4/shard/0", 3},
		{"$stream/s/from/seq/4/shard/shardId-000000000000", 3}, {"$stream/s/from/seq/" + number.String(), 7},
		{"$stream/s/from/time/0", 0}, {"$stream/s/from/time/2999-01-01T00:00:00Z", 10}, {"$stream/s/shard/0", 10},
	} {
		d := r.reader(c.name)
		r.subscribe(d, c.name, 1, nil)
		defer func() {
			want := []string(nil)
			for i := c.first; i < 11; i++ {
				want = append(want, fmt.Sprint("k ", i))
			}
			if got := d.read(len(want)); !slices.Equal(got, want) {
				t.Errorf("%s: %v", c.name, got)
			}
		}()
	}
	r.publish("k", 0, "10")
	for _, bad := range []string{"$stream/", "$stream/a b", "$stream/s/x", "$stream/s/from", "$stream/s/from/seq/4", "$stream/s/from/seq/x/shard/0", "$stream/s/from/time/soon", "$stream/s/from/earliest/4", "$stream/s/shard/x", "$stream/+", "$stream/#"} {
		if s, err := downlink.ParseName(bad); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%q is read as %+v", bad, s)
		}
	}
	for _, missing := range []string{"$stream/other", "$stream/s/shard/9", "$share/g/$stream/s/shard/9"} {
		s, err := downlink.ParseName(missing)
		if err == nil {
			_, err = r.Subscribe(t.Context(), r.reader("x").Inbox, s)
		}
		if shardlog.KindOf(err) != shardlog.NotFound {
			t.Errorf("%s: %v", missing, err)
		}
	}
}

// TestSubscribingAgainGoesOn, unless it is to begin elsewhere.
func TestSubscribingAgainGoesOn(t *testing.T) {
	r := start(t, 1)
	r.publish("k", 0, "0")
	d := r.reader("app")
	from := func(from string) {
		t.Helper()
		s := downlink.Subscription{Filter: "$stream/s", QoS: 1}
		if err := s.Begin(from, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := d.at.Subscribe(t.Context(), d.Inbox, s); err != nil {
			t.Fatal(err)
		}
	}
	from("earliest")
	d.read(1)
	from("earliest")
	r.publish("k", 0, "1")
	if got := d.read(1); got[0] != "k 1" {
		t.Error(got)
	}
	from("time:0")
	if got := d.read(2); !slices.Equal(got, []string{"k 0", "k 1"}) {
		t.Error(got)
	}
}

// TestGapsAreTold: what was given up before it was read is no silence.
func TestGapsAreTold(t *testing.T) {
	r := start(t, 1)
	for i := range 10 {
		r.publish("k", 0, fmt.Sprint(i))
	}
	s, _ := r.log.Stream("s")
	d := r.reader("app")
	if err := r.log.GiveUp(s.Shards[0].ID, 6, shardlog.OverBudget); err != nil {
		t.Fatal(err)
	}
	r.subscribe(d, "$stream/s/from/seq/3/shard/0", 1, nil)
	if got := d.read(6); got[0] != "gap 3-5 over budget" || got[1] != "k 5" || got[5] != "k 9" {
		t.Error(got)
	}
}

// TestStreamSessionsGoOn: a session that reads a stream as a whole, is left and
// taken up at random moments while shards split and merge, is sent every record
// exactly once, each key's in order.
func TestStreamSessionsGoOn(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := start(t, 2)
			chance := rand.New(rand.NewPCG(seed, 9))
			const n = 1200
			d := r.reader("device")
			r.subscribe(d, "$stream/s/from/earliest", 2, nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range n {
					r.publish(fmt.Sprint("k", i%11), i%3, fmt.Sprint(i))
					if i%100 == 50 {
						r.reshard(rand.New(rand.NewPCG(seed, uint64(i))))
					}
				}
			}()
			seen := map[string]bool{}
			var out []downlink.Unanswered
			for late := time.Now().Add(40 * time.Second); len(seen) < n && !t.Failed(); {
				if time.Now().After(late) {
					t.Fatalf("%d of %d", len(seen), n)
				}
				for _, one := range d.Take(1 + chance.IntN(20)) {
					text, i := one.Topic+" "+one.Body.(string), 0
					fmt.Sscan(one.Body.(string), &i)
					if seen[text] {
						t.Errorf("%s came twice", text)
					}
					if before := fmt.Sprint(one.Topic, " ", i-11); i >= 11 && !seen[before] {
						t.Errorf("%s came before %s", text, before)
					}
					seen[text] = true
					if chance.IntN(5) > 0 {
						d.Done(one.Place())
					} else {
						out = append(out, downlink.Unanswered{Place: one.Place()})
					}
				}
				if chance.IntN(20) == 0 { // it comes back, and is sent again what it has not answered
					beyond, subs, starts := d.Beyond(), d.Subscriptions(), r.Starts(d.Inbox)
					r.Close(d.Inbox, out)
					d = r.reader("device")
					d.Settle(out, beyond)
					if err := r.Resume(t.Context(), d.Inbox, subs, starts, 0); err != nil {
						t.Fatal(err)
					}
					for _, one := range out {
						if again, ok, err := r.Fetch(t.Context(), d.Inbox, one.Place); err != nil || !ok || again.QoS != 2 || again.Place() != one.Place {
							t.Errorf("%+v is not sent again: %v %v %v", one, again, ok, err)
						}
						d.Done(one.Place)
					}
					out = nil
				}
				select {
				case <-d.ready:
				case <-time.After(10 * time.Millisecond):
				}
			}
			<-done
		})
	}
}
