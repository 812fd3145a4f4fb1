package ingest

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"headgate/shardlog"
)

// part is one piece of a template: text as it stands, or a field to fill in.
type part struct {
	text  string
	field field
	level int // of fieldLevel, from 1
}

// field is what a part stands for.
type field uint8

const (
	fieldText field = iota
	fieldClient
	fieldUser
	fieldTopic
	fieldLevel
)

// template is a compiled partition key.
type template []part

// parseTemplate compiles a key; empty is {clientid}. Kind Invalid.
func parseTemplate(text string) (template, error) {
	if text == "" {
		text = "{clientid}"
	}
	var t template
	for left := text; left != ""; {
		before, after, open := strings.Cut(left, "{")
		if strings.Contains(before, "}") {
			return nil, badTemplate(text)
		}
		if before != "" {
			t = append(t, part{text: before})
		}
		if !open {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		p, ok := parseField(name)
		if !closed || !ok {
			return nil, badTemplate(text)
		}
		t = append(t, p)
		left = rest
	}
	return t, nil
}

func badTemplate(text string) error {
	return shardlog.Errorf(shardlog.Invalid, "compile route",
		"key %q: fields are {clientid}, {username}, {topic} and {topic.N} with N from 1", text)
}

// parseField reads what stands between braces.
func parseField(name string) (part, bool) {
	switch name {
	case "clientid":
		return part{field: fieldClient}, true
	case "username":
		return part{field: fieldUser}, true
	case "topic":
		return part{field: fieldTopic}, true
	}
	digits, ok := strings.CutPrefix(name, "topic.")
	n, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil || n == 0 {
		return part{}, false
	}
	return part{field: fieldLevel, level: int(n)}, true
}

// fill is the key of one message, the client id when the template yields no
// usable one.
func (t template) fill(from Source) string {
	key, ok := t.build(from)
	if !ok || key == "" || len(key) > shardlog.MaxPartitionKey && utf8.RuneCountInString(key) > shardlog.MaxPartitionKey {
		return from.ClientID
	}
	return key
}

// build joins the parts; false when a field is missing.
func (t template) build(from Source) (string, bool) {
	if len(t) == 1 {
		return t[0].value(from)
	}
	var b strings.Builder
	for _, p := range t {
		v, ok := p.value(from)
		if !ok {
			return "", false
		}
		b.WriteString(v)
	}
	return b.String(), true
}

// value is what the part stands for in this message.
func (p part) value(from Source) (string, bool) {
	switch p.field {
	case fieldClient:
		return from.ClientID, true
	case fieldUser:
		return from.Username, from.Username != ""
	case fieldTopic:
		return from.Topic, true
	case fieldLevel:
		left, more := from.Topic, true
		var level string
		for range p.level {
			if !more {
				return "", false
			}
			level, left, more = strings.Cut(left, "/")
		}
		return level, true
	default:
		return p.text, true
	}
}
