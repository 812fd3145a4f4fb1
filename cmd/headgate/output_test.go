package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func TestTextForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(1234567), "1,234,567"},
		{span(1500 * time.Microsecond), "2ms"}, {span(61 * time.Second), "1m 1s"}, {span(25 * time.Hour), "1d 1h"},
		{retention("168h0m0s"), "7d 0h"}, {retention("soon"), "soon"},
		{bar(0, 10), "[....................]"}, {bar(5, 10), "[##########..........]"}, {bar(0, 0), "[####################]"},
		{legible([]byte("21 °C\t1")), "21 °C\t1"}, {legible([]byte("\x1b[2J")), `"\x1b[2J"`}, {legible([]byte{0xff, 1}), "ff01"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestEveryCommandShowsExamples(t *testing.T) {
	var out bytes.Buffer
	term := terminal{in: strings.NewReader(""), out: &out, err: &out}
	all := newRoot(term).Commands()
	for i := 0; i < len(all); i++ {
		all = append(all, all[i].Commands()...)
		if all[i].Example == "" || all[i].Short == "" {
			t.Errorf("%s has no example, or says not what it does", all[i].CommandPath())
		}
	}
	if code := run(context.Background(), term, []string{"put", "--help"}); code != exitDone || !strings.Contains(out.String(), "Examples:") {
		t.Errorf("help ended with %d: %s", code, out.String())
	}
}
