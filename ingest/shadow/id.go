package shadow

import "strings"

// ID says which shadow: of which thing, and its name; classic: it has none.
type ID struct{ Thing, Name string }

// check answers why there can be no such shadow.
func (id ID) check() error {
	if id.Thing == "" || len(id.Thing) > MaxThing || !named(id.Thing, ":_-") {
		return reject(400, "Invalid thing name")
	}
	if len(id.Name) > MaxName || !named(id.Name, "$:_-") {
		return reject(400, "Invalid shadow name")
	}
	return nil
}

// named reports whether the text is letters, digits and those others.
func named(text, others string) bool {
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// key is the key of the shadow's row. The shadows of a thing lie together, and
// NUL is in no name.
func (id ID) key() string { return id.Thing + "\x00" + id.Name }

// idOf is the shadow whose row has the key.
func idOf(key string) ID {
	thing, name, _ := strings.Cut(key, "\x00")
	return ID{Thing: thing, Name: name}
}

// topic is where messages about the shadow go, without what they are.
func (id ID) topic() string {
	if id.Name == "" {
		return prefix + id.Thing + "/shadow"
	}
	return prefix + id.Thing + "/shadow/name/" + id.Name
}

const prefix = "$aws/things/"

// parseTopic takes a topic apart: about which shadow, and what about it.
func parseTopic(topic string) (id ID, what string, ok bool) {
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return ID{}, "", false
	}
	id.Thing, rest, _ = strings.Cut(rest, "/")
	if what, ok = strings.CutPrefix(rest, "shadow/name/"); ok {
		id.Name, what, ok = strings.Cut(what, "/")
		return id, what, ok && id.Name != ""
	}
	what, ok = strings.CutPrefix(rest, "shadow/")
	return id, what, ok
}
