package forward_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/sync/forward"
)

// slow is a log whose Puts of some keys wait for their gates.
type slow struct {
	forward.Local
	gates map[string]chan struct{}
}

func (s slow) Take(ctx context.Context, n shardlog.Numbered) (shardlog.Taken, error) {
	if len(n.Entries) > 0 && s.gates[n.Entries[0].Key] != nil {
		<-s.gates[n.Entries[0].Key]
	}
	return s.Local.Take(ctx, n)
}

func TestAPutThatTakesLongIsNotSettledMeanwhile(t *testing.T) {
	bubbled(t, func(t *testing.T) {
		s, gates := newSite(t), map[string]chan struct{}{"slow": make(chan struct{}), "slower": make(chan struct{})}
		a := s.start("a", newDisk(), func(c *forward.Config) { c.Local = slow{c.Local, gates} })
		defer a.stop()
		s.elect("a")
		if err := a.door(false).CreateStream(t.Context(), shardlog.StreamSpec{Name: "s", Shards: 2}); err != nil {
			t.Fatal(err)
		}
		done := map[string]chan error{}
		put := func(key string) {
			done[key] = make(chan error, 1)
			go func() {
				_, err := a.put(t, false, one(key, 0))
				done[key] <- err
			}()
			synctest.Wait()
		}
		put("slow")
		for i := range 20 {
			if _, err := a.put(t, false, one("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		put("slower")
		close(gates["slow"])
		if err := <-done["slow"]; err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute) // the log forgets what is settled
		close(gates["slower"])
		if err := <-done["slower"]; err != nil {
			t.Fatal(err)
		}
		if n := s.log.remembered(); n > 3 {
			t.Errorf("the log remembers %d numbers", n)
		}
	})
}
