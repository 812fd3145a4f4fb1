package lab

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// far is the other end of a link: it notes what came when.
type far struct {
	began time.Time
	came  []string
	at    []time.Duration
}

func (f *far) Write(p []byte) (int, error) {
	f.came, f.at = append(f.came, string(p)), append(f.at, time.Since(f.began))
	return len(p), nil
}

// over runs do with a link in virtual time, and answers what came out of it.
func over(t *testing.T, s Settings, do func(l *link)) (f *far, stats Stats) {
	synctest.Test(t, func(t *testing.T) {
		f = &far{began: time.Now()}
		l := newLink(f, rand.New(rand.NewPCG(1, 1)))
		l.set(func(to *Settings) { *to = s })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.run(ctx) }()
		do(l)
		time.Sleep(time.Minute)
		stop()
		<-done
		stats = l.snapshot()
	})
	return f, stats
}

func send(n int) func(l *link) {
	return func(l *link) {
		for i := range n {
			l.carry([]byte{byte('a' + i)})
		}
	}
}

func TestDelayHoldsBack(t *testing.T) {
	f, _ := over(t, Settings{Delay: 50 * time.Millisecond}, send(3))
	if strings.Join(f.came, "") != "abc" || f.at[0] != 50*time.Millisecond || f.at[2] != f.at[0] {
		t.Errorf("%v at %v", f.came, f.at)
	}
}

func TestJitterKeepsTheOrder(t *testing.T) {
	f, _ := over(t, Settings{Delay: 50 * time.Millisecond, Jitter: 40 * time.Millisecond}, func(l *link) {
		for i := range 20 {
			l.carry([]byte{byte('a' + i)})
			time.Sleep(30 * time.Millisecond)
		}
	})
	if strings.Join(f.came, "") != "abcdefghijklmnopqrst" {
		t.Errorf("they came as %v", f.came)
	}
	sooner, later := 0, 0
	for i, at := range f.at {
		delay := at - time.Duration(i)*30*time.Millisecond
		if delay < 10*time.Millisecond || delay > 130*time.Millisecond {
			t.Errorf("packet %d took %v", i, delay)
		}
		if delay < 50*time.Millisecond {
			sooner++
		} else {
			later++
		}
	}
	if sooner == 0 || later == 0 {
		t.Errorf("%d came sooner and %d later than the mean", sooner, later)
	}
}

func TestReorderLetsLaterOnesOvertake(t *testing.T) {
	f, stats := over(t, Settings{Reorder: 0.3}, send(20))
	if got := strings.Join(f.came, ""); len(got) != 20 || got == "abcdefghijklmnopqrst" || stats.Packets != 20 {
		t.Errorf("%v, %+v", f.came, stats)
	}
}

func TestRateSpacesPackets(t *testing.T) {
	f, stats := over(t, Settings{Rate: 10_000}, func(l *link) {
		for range 1000 {
			l.carry(make([]byte, 100))
		}
	})
	if stats.Overflowed == 0 || stats.Packets+stats.Overflowed != 1000 || f.at[1]-f.at[0] != 10*time.Millisecond {
		t.Errorf("%+v, first at %v and %v", stats, f.at[0], f.at[1])
	}
}

func TestACutLosesWhatIsOnItsWay(t *testing.T) {
	f, stats := over(t, Settings{Delay: time.Second}, func(l *link) {
		send(3)(l)
		l.set(down)
		send(2)(l)
		l.set(up)
		send(1)(l)
	})
	if stats.Cut != 5 || stats.Packets != 1 || len(f.came) != 1 {
		t.Errorf("%+v, %v", stats, f.came)
	}
}

func TestALinkTakesNoMoreThanItHolds(t *testing.T) {
	_, stats := over(t, Settings{Delay: time.Hour}, func(l *link) {
		for range mostWaiting + 5 {
			l.carry([]byte("x"))
		}
	})
	if stats.Overflowed != 5 || stats.Waiting != mostWaiting {
		t.Errorf("%+v", stats)
	}
}

func TestASeedRepeats(t *testing.T) {
	lossy := Settings{Loss: 0.5}
	a, _ := over(t, lossy, send(20))
	b, stats := over(t, lossy, send(20))
	if strings.Join(a.came, "") != strings.Join(b.came, "") || stats.Lost == 0 || stats.Packets == 0 {
		t.Errorf("%v, then %v", a.came, b.came)
	}
}

func TestDestination(t *testing.T) {
	packet := func(to ...byte) []byte { return append([]byte{0x45, 15: 0}, to...) }
	for _, c := range []struct {
		packet []byte
		want   int
	}{{packet(10, 77, 0, 1), 0}, {packet(10, 77, 0, 3), 2}, {packet(10, 77, 0, 0), 1 << 16}, {packet(224, 0, 0, 1), 1 << 16}, {[]byte{0x60}, 1 << 16}, {nil, 1 << 16}} {
		if got := destination(c.packet); got != c.want {
			t.Errorf("%v goes to %d, want %d", c.packet, got, c.want)
		}
	}
}
