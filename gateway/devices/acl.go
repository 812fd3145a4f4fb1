package devices

import "strings"

// ACL is what one device may do. It does not change, and is safe for concurrent
// use. Nothing is allocated to ask it.
type ACL struct {
	publish, subscribe topics
	bytes, levels      int
}

// topics are the filters of one action.
type topics struct{ allow, deny []filter }

// Publish reports whether the device may publish to a topic: an ordinary or a
// retained message, or its will.
func (a *ACL) Publish(topic string) bool {
	return a.isTopic(topic) && a.publish.hold(topic)
}

// Subscribe reports whether the device may subscribe to a filter, or to one
// that it shares ($share/GROUP/FILTER): every topic that the filter matches
// must be allowed, by one rule, and none denied.
func (a *ACL) Subscribe(text string) bool {
	if share, ok := strings.CutPrefix(text, "$share/"); ok {
		group, inner, ok := strings.Cut(share, "/")
		if !ok || group == "" || strings.ContainsAny(group, "+#") {
			return false // MQTT 5.0, 4.8.2
		}
		text = inner
	}
	if text == "$share" || strings.HasPrefix(text, "$share/") {
		return false
	}
	return a.isFilter(text) && a.subscribe.hold(text)
}

// Receive reports whether the device may get a message of a topic.
func (a *ACL) Receive(topic string) bool {
	return a.isTopic(topic) && a.subscribe.hold(topic)
}

func (t topics) hold(text string) bool {
	for _, f := range t.deny {
		if f.meets(text) {
			return false
		}
	}
	for _, f := range t.allow {
		if f.contains(text) {
			return true
		}
	}
	return false
}

// isTopic reports whether text is the name of a topic of bearable size.
func (a *ACL) isTopic(text string) bool {
	return a.fits(text) && strings.IndexByte(text, '+') < 0 && strings.IndexByte(text, '#') < 0
}

func (a *ACL) fits(text string) bool {
	return text != "" && len(text) <= a.bytes && strings.Count(text, "/") < a.levels && strings.IndexByte(text, 0) < 0
}

// isFilter is parseFilter without its allocations.
func (a *ACL) isFilter(text string) bool {
	if !a.fits(text) {
		return false
	}
	for more := true; more; {
		var level string
		level, text, more = cut(text)
		if level == "#" && more || len(level) > 1 && (strings.IndexByte(level, '+') >= 0 || strings.IndexByte(level, '#') >= 0) {
			return false
		}
	}
	return true
}
