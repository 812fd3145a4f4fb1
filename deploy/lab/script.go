package lab

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Words explains the lines that Do understands.
const Words = `cut A B              from A nothing reaches B any more    join A B   again
down N               N is cut off, both ways              up N       again
delay A B 50ms 10ms  of packets from A to B, with jitter  loss A B 0.05
rate A B 125000      bytes a second, 0 without limit      reorder A B 0.1
heal                 no faults anywhere                   links      what each link does and did
A and B are numbers of hosts, or * for all`

// verbs are the words with a direction: how many values follow, and what they
// make of the link.
var verbs = map[string]struct {
	least, most int
	change      func(s *Settings, values []string) error
}{
	"cut":     {0, 0, func(s *Settings, _ []string) error { s.Down = true; return nil }},
	"join":    {0, 0, func(s *Settings, _ []string) error { s.Down = false; return nil }},
	"delay":   {1, 2, setDelay},
	"loss":    {1, 1, func(s *Settings, v []string) (err error) { s.Loss, err = share(v[0]); return err }},
	"reorder": {1, 1, func(s *Settings, v []string) (err error) { s.Reorder, err = share(v[0]); return err }},
	"rate":    {1, 1, setRate},
}

// Do carries out one line of Words and answers what there is to print, often
// nothing. A line that is empty or begins with # does nothing.
func (l *Lab) Do(line string) (string, error) {
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return "", nil
	}
	switch verb, rest := words[0], words[1:]; verb {
	case "heal":
		l.Heal()
		return "", nil
	case "links":
		return l.table(), nil
	case "down", "up":
		return "", l.doHost(verb == "down", rest)
	default:
		return "", l.doLink(verb, rest)
	}
}

func (l *Lab) doHost(isDown bool, rest []string) error {
	if len(rest) != 1 {
		return fmt.Errorf("name one host: down 2")
	}
	numbers, err := l.numbers(rest[0])
	if err != nil {
		return err
	}
	l.each(func(from, to int, link *link) {
		if slices.Contains(numbers, from) || slices.Contains(numbers, to) {
			link.set(func(s *Settings) { s.Down = isDown })
		}
	})
	return nil
}

func (l *Lab) doLink(verb string, rest []string) error {
	v, ok := verbs[verb]
	if !ok {
		return fmt.Errorf("%q is no word of the lab; it knows:\n%s", verb, Words)
	}
	if len(rest) < 2+v.least || len(rest) > 2+v.most {
		return fmt.Errorf("%s: the words do not fit; the lab knows:\n%s", verb, Words)
	}
	from, err := l.numbers(rest[0])
	if err != nil {
		return err
	}
	to, err := l.numbers(rest[1])
	if err != nil {
		return err
	}
	if err := v.change(&Settings{}, rest[2:]); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	l.each(func(a, b int, link *link) {
		if slices.Contains(from, a) && slices.Contains(to, b) {
			link.set(func(s *Settings) { _ = v.change(s, rest[2:]) }) // tried just before
		}
	})
	return nil
}

// numbers are the hosts that a word means.
func (l *Lab) numbers(word string) (all []int, err error) {
	if word == "*" {
		for _, h := range l.hosts {
			all = append(all, h.number)
		}
		return all, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > len(l.hosts) {
		return nil, fmt.Errorf("%q is no host: write 1 to %d, or *", word, len(l.hosts))
	}
	return []int{n}, nil
}

func setDelay(s *Settings, values []string) (err error) {
	if s.Delay, err = time.ParseDuration(values[0]); err != nil {
		return err
	}
	s.Jitter = 0
	if len(values) > 1 {
		s.Jitter, err = time.ParseDuration(values[1])
	}
	if err == nil && (s.Delay < 0 || s.Jitter < 0) {
		return fmt.Errorf("less than no time")
	}
	return err
}

func setRate(s *Settings, values []string) (err error) {
	if s.Rate, err = strconv.Atoi(values[0]); err == nil && s.Rate < 0 {
		return fmt.Errorf("%d bytes a second", s.Rate)
	}
	return err
}

func share(word string) (float64, error) {
	f, err := strconv.ParseFloat(word, 64)
	if err == nil && !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("%q is no share: write 0 to 1", word)
	}
	return f, err
}

// table is what every link does and did.
func (l *Lab) table() string {
	var b strings.Builder
	l.each(func(from, to int, link *link) {
		set, s := link.settings(), link.snapshot()
		state := "up"
		if set.Down {
			state = "cut"
		}
		fmt.Fprintf(&b, "%d > %d  %-3s delay %v ±%v loss %g reorder %g rate %d; packets %d bytes %d lost %d cut %d overflowed %d waiting %d\n",
			from, to, state, set.Delay, set.Jitter, set.Loss, set.Reorder, set.Rate, s.Packets, s.Bytes, s.Lost, s.Cut, s.Overflowed, s.Waiting)
	})
	return strings.TrimSuffix(b.String(), "\n")
}

// scenarios are scripts for Play.
var scenarios = map[string]string{
	"lte":     "delay * * 300ms 50ms\nloss * * 0.025\nrate * * 125000",
	"flap":    "wait 8s\ncut * *\nwait 2s\njoin * *\nagain",
	"one-way": "wait 10s\ncut 1 *\nwait 20s\njoin 1 *\nagain",
	"outage":  "wait 10s\ndown 1\nwait 60s\nup 1\nagain",
}

// Scenario is a script for Play by its name: lte, flap, one-way, outage.
func Scenario(name string) (string, bool) {
	s, ok := scenarios[name]
	return s, ok
}

// Play carries out a script: lines for Do, and "wait 5s", and "again" for the
// whole script once more. It tells say each line before it does it, and ends
// with the script or with ctx.
func (l *Lab) Play(ctx context.Context, script string, say func(line string)) error {
	lines := strings.Split(script, "\n")
	for i := 0; i < len(lines); i++ {
		words := strings.Fields(lines[i])
		switch {
		case len(words) == 0:
			continue
		case len(words) == 1 && words[0] == "again" && strings.Contains(script, "wait "):
			i = -1
			continue
		case len(words) == 2 && words[0] == "wait":
			if err := wait(ctx, words[1]); err != nil {
				return fmt.Errorf("line %d: %w", i+1, err)
			}
			continue
		}
		say(lines[i])
		if _, err := l.Do(lines[i]); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return nil
}

func wait(ctx context.Context, word string) error {
	d, err := time.ParseDuration(word)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
