package downlink

import (
	"strings"
	"testing"
)

// FuzzIndex: the index finds a subscription for the topics that match its
// filter, and for no others, and nothing after it was removed.
func FuzzIndex(f *testing.F) {
	for _, filter := range []string{"a/b", "a/+", "#", "+/b/#", "$SYS/#", "a//b", "/", "a/#", "$share/g/a/+"} {
		for _, topic := range []string{"a/b", "a", "$SYS/x", "a//b", "/", ""} {
			f.Add(filter, topic)
		}
	}
	f.Fuzz(func(t *testing.T, name, topic string) {
		s, err := ParseName(name)
		if err != nil || strings.ContainsAny(topic, "+#") {
			return
		}
		var x index
		in, others := &Inbox{}, &Inbox{}
		x.add(others, Subscription{Filter: "other/+/#"})
		if x.add(in, s) || !x.add(in, s) {
			t.Error("it is there twice")
		}
		found := func() (n int) {
			x.match(topic, func(who *Inbox, _ Subscription) {
				if who == in {
					n++
				}
			})
			return n
		}
		want := 0
		if s.Matches(topic) {
			want = 1
		}
		if n := found(); n != want {
			t.Errorf("%q is found %d times for %q, want %d", name, n, topic, want)
		}
		x.remove(in, s)
		if x.remove(in, s); found() != 0 || x.count != 1 {
			t.Errorf("%q is found after it was removed, %d left", name, x.count)
		}
	})
}
