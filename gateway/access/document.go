package access

import (
	"bytes"
	"encoding/json"
	"strings"
)

// document is the key file taken apart. A line is a key as people write one,
// "id secret", or as the gateway does, "id {record}"; empty lines and those
// that begin with # say nothing. Whatever is none of these stays as it is and
// is counted: one damaged line must not shut everybody out.
type document struct {
	lines   []line
	at      map[string]int // of a key, in lines
	skipped int
}

type line struct {
	raw     []byte // as it stands, without its end
	id      string // "": no key
	key     record
	policy  *Policy
	removed bool
}

// fileHead tells people who open the file what it holds.
const fileHead = "# access keys: headgate keys changes them; a line \"id secret\" added here is taken as a new one at the next start\n"

func parseDocument(text []byte) *document {
	d := &document{at: map[string]int{}}
	policies := map[string]*Policy{} // most keys share a few
	for raw := range bytes.Lines(text) {
		raw = bytes.TrimRight(raw, "\r\n")
		l := line{raw: raw}
		if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] != '#' {
			if l.parse(string(trimmed)) && d.find(l.id) == nil {
				if p, ok := policies[string(l.key.Policy)]; ok {
					l.policy = p
				}
				policies[string(l.key.Policy)] = l.policy
				d.at[l.id] = len(d.lines)
			} else {
				l = line{raw: raw}
				d.skipped++
			}
		}
		d.lines = append(d.lines, l)
	}
	return d
}

func (l *line) parse(text string) bool {
	id, rest, _ := strings.Cut(text, " ")
	if rest = strings.TrimSpace(rest); !isKeyID(id) {
		return false
	}
	if strings.HasPrefix(rest, "{") {
		var ok bool
		l.id = id
		l.key, l.policy, ok = parseRecord([]byte(rest))
		return ok
	}
	if !isSecret(rest) {
		return false
	}
	l.id, l.key = id, record{Secret: rest, Owed: true, Plain: true}
	return true
}

// find is the line of a key, nil when there is none. It changes with the
// document.
func (d *document) find(id string) *line {
	if i, ok := d.at[id]; ok {
		return &d.lines[i]
	}
	return nil
}

// set makes a key what is said, in its place or at the end.
func (d *document) set(id string, key record) {
	text, err := json.Marshal(key)
	if err != nil {
		panic(err) // the policy was JSON when it was read
	}
	l := d.find(id)
	if l == nil {
		d.at[id] = len(d.lines)
		d.lines = append(d.lines, line{id: id})
		l = &d.lines[len(d.lines)-1]
	}
	l.key, l.raw = key, append([]byte(id+" "), text...)
	if l.policy = nil; len(key.Policy) > 0 {
		l.policy, _ = ParseKeyPolicy(string(key.Policy)) // it was checked
	}
}

// keys yields the keys that are not deleted.
func (d *document) keys(yield func(*line) bool) {
	for i := range d.lines {
		if l := &d.lines[i]; l.id != "" && !l.key.Gone && !yield(l) {
			return
		}
	}
}

func (d *document) count() (n int) {
	for range d.keys {
		n++
	}
	return n
}

func (d *document) text() []byte {
	var b []byte
	for _, l := range d.lines {
		if !l.removed {
			b = append(append(b, l.raw...), '\n')
		}
	}
	return b
}

// remove takes a key's line away.
func (d *document) remove(id string) {
	if i, ok := d.at[id]; ok {
		d.lines[i] = line{removed: true}
		delete(d.at, id)
	}
}
