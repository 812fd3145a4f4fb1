package uplink

import (
	"fmt"
	"strings"
	"time"
)

// Window is a time of the day, on some days of the week. One that ends before
// it begins goes over midnight.
type Window struct {
	Days     []time.Weekday // on which it begins; none: all
	From, To time.Duration  // since midnight, by the clock on the wall
}

// ParseWindow reads "01:00-05:00" or "mon,sat 22:00-06:00". Kind Invalid.
func ParseWindow(text string) (Window, error) {
	var w Window
	days, times, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		days, times = "", days
	}
	for day := range strings.SplitSeq(days, ",") {
		if day == "" {
			continue
		}
		d, ok := weekday(day)
		if !ok {
			return w, invalid("window %q: %q is no day; write mon, tue, wed, thu, fri, sat or sun", text, day)
		}
		w.Days = append(w.Days, d)
	}
	from, to, _ := strings.Cut(strings.TrimSpace(times), "-")
	for _, one := range []struct {
		text string
		into *time.Duration
	}{{from, &w.From}, {to, &w.To}} {
		t, err := time.Parse("15:04", one.text)
		if err != nil {
			return w, invalid("window %q: write 01:00-05:00, with days before it if it is not for all: mon,sat 22:00-06:00", text)
		}
		*one.into = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	return w, w.check()
}

func weekday(name string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(d.String()[:3], name) {
			return d, true
		}
	}
	return 0, false
}

func (w Window) check() error {
	if w.From < 0 || w.To < 0 || w.From >= 24*time.Hour || w.To >= 24*time.Hour || w.From == w.To {
		return invalid("a window from %s to %s", w.From, w.To)
	}
	return nil
}

// open reports whether the window is open, by the clock on the wall.
func (w Window) open(t time.Time) bool {
	at := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	if w.From < w.To {
		return at >= w.From && at < w.To && w.on(t.Weekday())
	}
	return at >= w.From && w.on(t.Weekday()) || at < w.To && w.on((t.Weekday()+6)%7)
}

func (w Window) on(day time.Weekday) bool {
	for _, d := range w.Days {
		if d == day {
			return true
		}
	}
	return len(w.Days) == 0
}

// String is the window as ParseWindow reads it.
func (w Window) String() string {
	var days []string
	for _, d := range w.Days {
		days = append(days, strings.ToLower(d.String()[:3]))
	}
	text := fmt.Sprintf("%02d:%02d-%02d:%02d", w.From/time.Hour, w.From%time.Hour/time.Minute, w.To/time.Hour, w.To%time.Hour/time.Minute)
	if len(days) > 0 {
		text = strings.Join(days, ",") + " " + text
	}
	return text
}
