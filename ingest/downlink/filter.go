package downlink

import "strings"

// Matches reports whether a topic lies under a filter (MQTT 5.0, 4.7). It
// allocates nothing.
func Matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && (strings.HasPrefix(filter, "#") || strings.HasPrefix(filter, "+")) {
		return false
	}
	for {
		want, restF, moreF := strings.Cut(filter, "/")
		if want == "#" {
			return true
		}
		level, restT, moreT := strings.Cut(topic, "/")
		if want != "+" && want != level {
			return false
		}
		switch {
		case !moreF:
			return !moreT
		case !moreT:
			return restF == "#"
		}
		filter, topic = restF, restT
	}
}

// Overlaps reports whether some topic matches both filters.
func Overlaps(a, b string) bool {
	for {
		x, restA, moreA := strings.Cut(a, "/")
		y, restB, moreB := strings.Cut(b, "/")
		switch {
		case x == "#" || y == "#":
			return true
		case x != y && x != "+" && y != "+":
			return false
		case !moreA || !moreB:
			return moreA == moreB || moreA && restA == "#" || moreB && restB == "#"
		}
		a, b = restA, restB
	}
}
