package lab

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// unwired is a lab of links without hosts at their ends, for scripts.
func unwired(hosts int) *Lab {
	l := &Lab{}
	for n := 1; n <= hosts; n++ {
		l.hosts = append(l.hosts, &Host{lab: l, number: n})
	}
	for from := range hosts {
		row := make([]*link, hosts)
		for to := range hosts {
			if to != from {
				row[to] = newLink(io.Discard, rand.New(rand.NewPCG(1, 1)))
			}
		}
		l.links = append(l.links, row)
	}
	return l
}

// cuts are the directions that are down: "1>2 3>1".
func (l *Lab) cuts() string {
	var all []string
	l.each(func(from, to int, link *link) {
		if link.settings().Down {
			all = append(all, string(rune('0'+from))+">"+string(rune('0'+to)))
		}
	})
	return strings.Join(all, " ")
}

func TestDo(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"cut 1 2", "1>2"},
		{"cut 1 *", "1>2 1>3"},
		{"cut * *\njoin 3 *\njoin * 3", "1>2 2>1"},
		{"down 2", "1>2 2>1 2>3 3>2"},
		{"down 2\nup 2", ""},
		{"down 2\n# a remark\n\nheal", ""},
	} {
		l := unwired(3)
		for line := range strings.Lines(c.lines) {
			if _, err := l.Do(line); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
		if got := l.cuts(); got != c.want {
			t.Errorf("%q cuts %s, want %s", c.lines, got, c.want)
		}
	}
}

func TestDoSets(t *testing.T) {
	l := unwired(2)
	for _, line := range []string{"delay 1 2 50ms 10ms", "loss 1 2 0.05", "reorder 1 2 0.1", "rate 1 2 125000", "cut 1 2"} {
		if _, err := l.Do(line); err != nil {
			t.Error(err)
		}
	}
	want := Settings{Delay: 50 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.05, Reorder: 0.1, Rate: 125000, Down: true}
	if got := l.Settings(1, 2); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := l.Settings(2, 1); got != (Settings{}) {
		t.Errorf("the other way is %+v", got)
	}
	if answer, err := l.Do("links"); err != nil || strings.Count(answer, "\n") != 1 || !strings.Contains(answer, "1 > 2  cut delay 50ms ±10ms") {
		t.Errorf("links answers %q, %v", answer, err)
	}
}

func TestDoRefuses(t *testing.T) {
	l := unwired(2)
	for _, line := range []string{"cut", "cut 1", "cut 1 3", "cut 0 1", "cut 1 2 3", "delay 1 2", "delay 1 2 fast", "delay 1 2 -1s", "loss 1 2 1.1", "loss 1 2 NaN", "rate 1 2 -1", "down", "down 1 2", "explode 1 2"} {
		if _, err := l.Do(line); err == nil {
			t.Errorf("%q was done", line)
		}
	}
	if got := l.cuts(); got != "" || l.Settings(1, 2) != (Settings{}) {
		t.Errorf("what was refused was done: %s", got)
	}
}

func TestPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, began := unwired(3), time.Now()
		ctx, stop := context.WithTimeout(t.Context(), 35*time.Second)
		defer stop()
		script, _ := Scenario("one-way")
		var said []string
		err := l.Play(ctx, script, func(line string) { said = append(said, line+" at "+time.Since(began).String()) })
		if want := []string{"cut 1 * at 10s", "join 1 * at 30s"}; !slices.Equal(said, want) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v", said, err)
		}
	})
}

func TestScenariosAreScripts(t *testing.T) {
	for name, script := range scenarios {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			defer stop()
			if err := unwired(3).Play(ctx, script, func(string) {}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}
