package forward_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/shardlog"
	"headgate/sync/forward"
)

func TestTip(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		results, err := b.put(t, false, append(one("k", 0), one("k", 1)...))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range []*gateway{a, b} {
			if tip, err := g.Tip(t.Context(), results[1].Shard); err != nil || tip != 2 {
				t.Errorf("%d %v", tip, err)
			}
			_, err := g.Tip(t.Context(), shardlog.ShardID{Stream: 99})
			wants(t, err, shardlog.NotFound)
		}
	})
}

func TestAMessageOfAnEarlierTermIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		var late []byte
		b := s.start("bb", newDisk(), func(c *forward.Config) {
			call := c.Call
			c.Call = func(ctx context.Context, peer, path string, body []byte) ([]byte, error) {
				if late == nil {
					late = bytes.Clone(body)
					return nil, errors.New("it stays in the socket")
				}
				return call(ctx, peer, path, body)
			}
		})
		defer b.stop()
		if _, err := b.put(t, false, one("k", 0)); err != nil {
			t.Fatal(err)
		}
		s.elect("bb")
		s.elect("a")
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, forward.PutsPath, bytes.NewReader(late)))
		if w.Code != http.StatusOK || w.Body.Len() != 2 || w.Body.Bytes()[1] != 1 {
			t.Errorf("%d %x", w.Code, w.Body)
		}
		if n := len(s.stored("s")["k"]); n != 1 {
			t.Errorf("%d are stored", n)
		}
	})
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	s := newSite(t)
	a := s.start("a", newDisk(), nil)
	defer a.stop()
	s.elect("a")
	for _, path := range []string{forward.PutsPath, forward.ControlPath, forward.TipPath} {
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, bytes.NewReader([]byte("nonsense"))))
		if w.Code != http.StatusOK || w.Body.Len() != 2 || w.Body.Bytes()[1] != 3 {
			t.Errorf("%s: %d %x", path, w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		a.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, io.MultiReader(bytes.NewReader(nil))))
		if w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s without a length: %d", path, w.Code)
		}
	}
}

func TestManyPutsShareCalls(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		s.log.pace = 25 * time.Millisecond
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() {
				for n := range 5 {
					if _, err := b.put(t, false, one(fmt.Sprint("k", i), n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if st := b.Stats(); st.Calls > 40 {
			t.Errorf("%d calls for 1000 puts", st.Calls)
		}
		if st := a.Stats(); st.Served != 1000 {
			t.Errorf("%d were served", st.Served)
		}
	})
}

func TestALargePutTravelsAlone(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		var entries []shardlog.Entry
		for i := range 15 {
			entries = append(entries, shardlog.Entry{Key: fmt.Sprint("k", i), Data: make([]byte, shardlog.DefaultRecordBytes-10)})
		}
		if results, err := b.put(t, false, entries); err != nil || results[14].Err != nil {
			t.Fatal(err)
		}
		_, err := b.put(t, false, append(entries, entries[:2]...))
		wants(t, err, shardlog.Invalid)
	})
}

func TestTheOutboxIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		s.log.pace = 7 * time.Second
		data := make([]byte, 1<<20-10)
		var group sync.WaitGroup
		var mu sync.Mutex
		kinds := map[shardlog.Kind]int{}
		for i := range 20 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
				defer cancel()
				_, err := b.Writer(false).Put(ctx, "s", []shardlog.Entry{{Key: fmt.Sprint("k", i), Data: data}})
				mu.Lock()
				defer mu.Unlock()
				kinds[shardlog.KindOf(err)]++
			})
		}
		group.Wait()
		if kinds[shardlog.Unknown] != 4 || kinds[shardlog.Unavailable] != 16 {
			t.Error(kinds)
		}
	})
}

func TestAPeerHasItsShare(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		// Two carriers under one id are too much for the leader together.
		b, c := s.start("bb", newDisk(), nil), s.start("ccc", newDisk(), nil)
		defer b.stop()
		defer c.stop()
		s.log.pace = time.Second
		data := make([]byte, 1<<20-10)
		var group sync.WaitGroup
		for _, g := range []*gateway{b, c} {
			for i := range 12 {
				group.Go(func() {
					entries := []shardlog.Entry{}
					for range 4 {
						entries = append(entries, shardlog.Entry{Key: fmt.Sprint(g.id, i), Data: data})
					}
					if _, err := g.put(t, false, entries); err != nil && shardlog.KindOf(err) != shardlog.Unavailable {
						t.Error(err)
					}
				})
			}
		}
		group.Wait()
		if b.State().Isolated || c.State().Isolated {
			t.Error("a busy leader is a leader")
		}
	})
}

func TestNumbersAreForgottenAfterABurst(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		s.log.pace = 25 * time.Millisecond
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				if _, err := b.put(t, false, one(fmt.Sprint("k", i), 0)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := s.log.remembered(); n < 10 {
			t.Errorf("the log remembers %d numbers", n)
		}
		time.Sleep(2 * time.Minute)
		if n := s.log.remembered(); n > 1 {
			t.Errorf("the log remembers %d numbers", n)
		}
	})
}

func TestCommandsWaitForALeader(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		s.elect("")
		time.AfterFunc(2*time.Second, func() { s.elect("a") })
		begun := time.Now()
		if err := b.Control().CreateStream(t.Context(), shardlog.StreamSpec{Name: "t"}); err != nil || time.Since(begun) > 3*time.Second {
			t.Error(err, time.Since(begun))
		}
		s.mu.Lock()
		s.fate = func(string) (bool, bool) { return true, false }
		s.mu.Unlock()
		wants(t, b.Control().DeleteStream(t.Context(), "t"), shardlog.Unknown)
		if _, ok := s.log.Stream("t"); ok {
			t.Error("it was not done")
		}
		wants(t, b.States(false).Mutate(t.Context(), exact("1", "x")), shardlog.Unknown)
	})
}

func TestRunEndsWithWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		b := s.start("bb", newDisk(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		var err error
		var group sync.WaitGroup
		group.Go(func() { _, err = b.Writer(true).Put(ctx, "s", one("k", 0)) })
		time.Sleep(time.Second)
		b.stop()
		group.Wait()
		if err == nil || time.Since(begun) > 2*time.Minute {
			t.Error(err)
		}
	})
}
