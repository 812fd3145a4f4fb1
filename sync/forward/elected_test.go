package forward_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestALeaderThatIsNotReadyIsAskedAgainSoon has a Put wait for a leader; the
// one that is elected then refuses for a moment, as leaders do until they have
// applied what was agreed on before.
func TestALeaderThatIsNotReadyIsAskedAgainSoon(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, a *gateway) {
		b := s.start("bb", newDisk(), nil)
		defer b.stop()
		s.elect("")
		answered := make(chan time.Time, 1)
		go func() {
			if _, err := b.put(t, false, one("k", 1)); err != nil {
				t.Error(err)
			}
			answered <- time.Now()
		}()
		synctest.Wait()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		var ready atomic.Bool
		s.mu.Lock()
		s.fate = func(string) (bool, bool) { return ready.Load(), true }
		s.mu.Unlock()
		s.elect("a")
		time.Sleep(30 * time.Millisecond)
		ready.Store(true)
		since := time.Now()
		if took := (<-answered).Sub(since); took > 200*time.Millisecond {
			t.Errorf("the Put was answered %v after there was a leader", took)
		}
	})
}
