package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headgate/firehose/uplink"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// wire dials to readers that take everything at once, and counts.
type wire struct {
	mu   sync.Mutex
	got  map[string]int // guarded by mu: bytes by address
	fail error          // guarded by mu: of dialling
	all  sync.WaitGroup
}

func (w *wire) dial(_ context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return nil, w.fail
	}
	near, far := net.Pipe()
	w.all.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, err := far.Read(b)
			w.mu.Lock()
			w.got[address] += n
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return near, nil
}

func (w *wire) taken(address string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got[address]
}

func open(t *testing.T, c uplink.Config) (*uplink.Uplink, *wire) {
	t.Helper()
	w := &wire{got: map[string]int{}}
	c.Dial = w.dial
	u, err := uplink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return u, w
}

// pour writes noise to an address until ctx ends, in writes of the size.
func pour(ctx context.Context, t *testing.T, l *uplink.Lane, address string, size int) *sync.WaitGroup {
	t.Helper()
	c, err := l.Dial(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		b := make([]byte, size)
		for ctx.Err() == nil {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	context.AfterFunc(ctx, func() { c.Close() })
	return &done
}

// TestTheRateIsKept: whatever lanes write, no more than the rate and a burst
// goes out, and no less than nine tenths of it is used.
func TestTheRateIsKept(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			rate := int64(1 << (8 + random.IntN(16)))
			u, w := open(t, uplink.Config{Rate: rate})
			ctx, cancel := context.WithCancel(context.Background())
			var all []*sync.WaitGroup
			for i := range 1 + random.IntN(4) {
				name := fmt.Sprint(i)
				all = append(all, pour(ctx, t, u.Lane(name, uplink.Normal), name, 1+random.IntN(200_000)))
			}
			time.Sleep(time.Minute)
			total := 0
			for i := range all {
				total += w.taken(fmt.Sprint(i))
			}
			if most := float64(rate)*60 + max(16<<10, float64(rate)/4); float64(total) > most+1 || float64(total) < 0.9*60*float64(rate) {
				t.Errorf("seed %d: %d bytes in a minute at %d a second", seed, total, rate)
			}
			cancel()
			for _, one := range all {
				one.Wait()
			}
			w.all.Wait()
		})
	}
}

func TestLanesShareEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, w := open(t, uplink.Config{Rate: 100_000})
		ctx, cancel := context.WithCancel(context.Background())
		a, b := pour(ctx, t, u.Lane("a", ""), "a", 1000), pour(ctx, t, u.Lane("b", ""), "b", 300_000)
		time.Sleep(time.Minute)
		if x, y := w.taken("a"), w.taken("b"); float64(min(x, y)) < 0.9*float64(max(x, y)) {
			t.Errorf("%d and %d bytes", x, y)
		}
		cancel()
		a.Wait()
		b.Wait()
		w.all.Wait()
	})
}

// TestAnAlarmGoesFirst: it waits for a piece that is on its way, no more.
func TestAnAlarmGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, w := open(t, uplink.Config{Rate: 10_000})
		ctx, cancel := context.WithCancel(context.Background())
		noise := pour(ctx, t, u.Lane("noise", uplink.Normal), "noise", 1<<20)
		time.Sleep(time.Minute)
		c, err := u.Lane("alarm", uplink.Alarm).Dial(ctx, "tcp", "alarm")
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 400*time.Millisecond {
			t.Errorf("an alarm of 1,000 bytes took %s", took)
		}
		c.Close()
		cancel()
		noise.Wait()
		w.all.Wait()
	})
}

func TestADeadlineEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, w := open(t, uplink.Config{Rate: 1000})
		c, err := u.Lane("a", "").Dial(t.Context(), "tcp", "a")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		begin := time.Now()
		n, err := c.Write(make([]byte, 1<<20))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begin) != 10*time.Second || n == 0 {
			t.Errorf("%d bytes in %s: %v", n, time.Since(begin), err)
		}
		c.Close()
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("a closed connection takes bytes")
		}
		w.all.Wait()
	})
}

// spend sends bytes in batches as a delivery does, and answers how many went.
func spend(ctx context.Context, l *uplink.Lane, batch int) (sent int) {
	for {
		within, cancel := context.WithTimeout(ctx, time.Minute)
		err := l.Admit(within)
		cancel()
		if err != nil {
			return sent
		}
		c, err := l.Dial(ctx, "tcp", "x")
		if err != nil {
			return sent
		}
		n, err := c.Write(make([]byte, batch))
		c.Close()
		sent += n
		if err != nil {
			return sent
		}
	}
}

const day = 10 << 20

// TestTheDaysBudgetIsKept: over restarts and failovers at any moment no day
// carries more than its budget, and alarms have a tenth of it.
func TestTheDaysBudgetIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		config := uplink.Config{Day: day, States: m, Zone: time.UTC}
		total := 0
		ctx := context.Background()
		for range 5 { // each run stands for a process that dies without a word
			u, w := open(t, config)
			l := u.Lane("a", "")
			for range 3 {
				if l.Admit(ctx) != nil {
					t.Fatal("not admitted")
				}
				c, _ := l.Dial(ctx, "tcp", "x")
				n, err := c.Write(make([]byte, 300_000))
				if total += n; err != nil {
					t.Fatal(err)
				}
				c.Close()
			}
			w.all.Wait()
		}
		u, w := open(t, config)
		total += spend(ctx, u.Lane("a", ""), 100_000)
		if total > day*9/10+100_000 || total < day*8/10 {
			t.Errorf("%d bytes of a budget of %d", total, day)
		}
		if held := u.Status(); held.DayUsed < int64(total) || held.Day != day {
			t.Errorf("%+v after %d bytes", held, total)
		}
		total += spend(ctx, u.Lane("alarm", uplink.Alarm), 10_000)
		if total > day || total < day*9/10 {
			t.Errorf("%d bytes of a budget of %d", total, day)
		}
		time.Sleep(24 * time.Hour)
		if again := spend(ctx, u.Lane("a", ""), 100_000); again < day*8/10 || again > day {
			t.Errorf("%d bytes on the next day", again)
		}
		w.all.Wait()
	})
}

// TestTheMonthOutlastsItsDays: a new day is no new month.
func TestTheMonthOutlastsItsDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is the 1st of January 2000
		m := shardlogtest.NewMemory()
		total := 0
		for range 31 {
			u, w := open(t, uplink.Config{Day: day, Month: 3 * day, States: m, Zone: time.UTC})
			total += spend(context.Background(), u.Lane("a", ""), 100_000)
			w.all.Wait()
			time.Sleep(24*time.Hour - time.Minute)
		}
		if total > 3*day || total < 2*day {
			t.Errorf("%d bytes in January, of a budget of %d", total, 3*day)
		}
		u, w := open(t, uplink.Config{Day: day, Month: 3 * day, States: m, Zone: time.UTC})
		if got := spend(context.Background(), u.Lane("a", ""), 100_000); got < day*8/10 {
			t.Errorf("%d bytes in February", got)
		}
		w.all.Wait()
	})
}

// TestABootAtAWrongTimeMakesNoBudget: a clock that begins in the past, as one
// without a battery does, and then comes to its own, is the same day still.
func TestABootAtAWrongTimeMakesNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		text := fmt.Sprintf(`{"day":"2000-06-15","day_used":%d,"month_used":%d}`, day, day)
		if err := m.Mutate(t.Context(), shardlog.Mutation{Space: uplink.Space, Key: "used", Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		u, w := open(t, uplink.Config{Day: day, States: m, Zone: time.UTC}) // it is January
		if got := spend(t.Context(), u.Lane("a", ""), 1000); got != 0 {
			t.Errorf("%d bytes after a boot in the past", got)
		}
		// A day goes by, by the machine's own count: then the latest day was the mistake.
		time.Sleep(26 * time.Hour)
		if got := spend(t.Context(), u.Lane("a", ""), 100_000); got < day*8/10 {
			t.Errorf("%d bytes when a day has gone by", got)
		}
		w.all.Wait()
	})
}

// TestABudgetNeedsItsMemory: while it cannot be kept what is used, nothing is.
func TestABudgetNeedsItsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		m.Fail = func(what string) error {
			if what == "mutate" {
				return shardlog.Errorf(shardlog.Unavailable, "mutate", "no quorum")
			}
			return nil
		}
		u, w := open(t, uplink.Config{Day: day, States: m})
		if err := u.Lane("a", "").Admit(t.Context()); shardlog.KindOf(err) != shardlog.Unavailable {
			t.Error(err)
		}
		c, _ := u.Lane("a", "").Dial(t.Context(), "tcp", "x")
		if n, err := c.Write([]byte("x")); err == nil {
			t.Errorf("%d bytes went", n)
		}
		c.Close()
		w.all.Wait()
	})
}

func TestBulkGoesInItsWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // midnight, a Saturday
		window, err := uplink.ParseWindow("sun 01:00-05:00")
		if err != nil {
			t.Fatal(err)
		}
		u, _ := open(t, uplink.Config{Windows: []uplink.Window{window}, Zone: time.UTC})
		begin := time.Now()
		if err := u.Lane("now", uplink.Normal).Admit(t.Context()); err != nil || time.Since(begin) != 0 {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		l := u.Lane("bulk", uplink.Bulk)
		go func() {
			time.Sleep(time.Hour)
			if u.Status().Lanes[0].Held == "" {
				t.Error("it does not say that it waits")
			}
		}()
		if err := l.Admit(t.Context()); err != nil || time.Since(begin) < 25*time.Hour || time.Since(begin) > 25*time.Hour+10*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		if held := u.Find("bulk").Held; held != "" {
			t.Error(held)
		}
	})
}

func TestWindows(t *testing.T) {
	for _, c := range []struct {
		window, at string
		open       bool
	}{
		{"01:00-05:00", "Mon 01:00", true}, {"01:00-05:00", "Mon 05:00", false}, {"01:00-05:00", "Mon 00:59", false},
		{"22:00-06:00", "Mon 23:00", true}, {"22:00-06:00", "Tue 05:59", true}, {"22:00-06:00", "Tue 12:00", false},
		{"fri 22:00-06:00", "Fri 23:00", true}, {"fri 22:00-06:00", "Sat 05:00", true}, {"fri 22:00-06:00", "Fri 05:00", false}, {"mon,tue 01:00-02:00", "Wed 01:30", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, err := uplink.ParseWindow(c.window)
			if err != nil || w.String() != c.window {
				t.Fatal(w, err)
			}
			u, _ := open(t, uplink.Config{Windows: []uplink.Window{w}, Zone: time.UTC})
			for time.Now().UTC().Format("Mon 15:04") != c.at {
				time.Sleep(time.Minute)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if got := u.Lane("a", uplink.Bulk).Admit(ctx) == nil; got != c.open {
				t.Errorf("%s at %s: open %v", c.window, c.at, got)
			}
		})
	}
	for _, bad := range []string{"", "01:00", "25:00-26:00", "01:00-01:00", "someday 01:00-02:00", "01:00-02:00-03:00"} {
		if _, err := uplink.ParseWindow(bad); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestALinkThatIsDownIsTriedByOne: others wait, and the clock of retries stands.
func TestALinkThatIsDownIsTriedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, w := open(t, uplink.Config{})
		lanes := []*uplink.Lane{u.Lane("a", ""), u.Lane("b", ""), u.Lane("c", "")}
		time.Sleep(time.Minute)
		w.fail = errors.New("no route to host")
		ctx, cancel := context.WithCancel(context.Background())
		tries := 0
		var all sync.WaitGroup
		for _, l := range lanes {
			all.Go(func() {
				for l.Admit(ctx) == nil {
					w.mu.Lock()
					tries++
					w.mu.Unlock()
					if c, err := l.Dial(ctx, "tcp", "x"); err == nil {
						c.Close()
						return
					}
				}
			})
		}
		time.Sleep(24 * time.Hour)
		w.mu.Lock()
		if tries > 24*60*2+50 || tries < 24*60 {
			t.Errorf("%d attempts in a day without a link", tries)
		}
		w.fail = nil
		w.mu.Unlock()
		if s := u.Status(); !s.Down || lanes[0].Uptime() > time.Minute {
			t.Errorf("%+v, up for %s", s, lanes[0].Uptime())
		}
		all.Wait()
		if s := u.Status(); s.Down {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
		if up := lanes[0].Uptime(); up < time.Hour || up > 2*time.Hour {
			t.Errorf("up for %s", up)
		}
		cancel()
		w.all.Wait()
	})
}

func TestAFreeLaneIsNotLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := shardlogtest.NewMemory()
		u, w := open(t, uplink.Config{Rate: 1000, Day: day, States: m})
		begin := time.Now()
		c, _ := u.Lane("lan", uplink.Free).Dial(t.Context(), "tcp", "x")
		if n, err := c.Write(make([]byte, 2*day)); n != 2*day || err != nil || time.Since(begin) != 0 {
			t.Errorf("%d bytes in %s: %v", n, time.Since(begin), err)
		}
		c.Close()
		w.all.Wait()
		if s := u.Status(); s.DayUsed != 0 || s.Lanes[0].Sent != 2*day {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
		if up := u.Lane("lan", uplink.Free).Uptime(); up != time.Hour {
			t.Errorf("its clock is at %s", up)
		}
	})
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []uplink.Config{{Rate: -1}, {Rate: 5}, {Day: 5}, {Month: -1}, {Day: day}, {Windows: []uplink.Window{{}}}} {
		if _, err := uplink.New(c); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestTheRateAtASocket measures at the far end of a real connection, by its
// own clock: how loaded the machine is only makes it less.
func TestTheRateAtASocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const rate = 400_000
	u, err := uplink.New(uplink.Config{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	done := pour(ctx, t, u.Lane("a", ""), l.Addr().String(), 1<<20)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	n, _ := io.Copy(io.Discard, c)
	done.Wait()
	if most := rate*time.Since(begin).Seconds() + rate/4 + 64<<10; float64(n) > most {
		t.Errorf("%d bytes in %s, at most %.0f", n, time.Since(begin), most)
	}
}
