package line

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"headgate/shardlog"
)

// template is a compiled partition key.
type template []part

// part is text as it stands, or a field to fill in.
type part struct {
	text  string
	field string // empty for text
	tag   string // of the field tag
}

// parseTemplate compiles Config.Key; empty is {series}. Kind Invalid.
func parseTemplate(text string) (template, error) {
	if text == "" {
		text = "{series}"
	}
	bad := shardlog.Errorf(shardlog.Invalid, "compile key",
		"%q: fields are {series}, {measurement}, {tag.NAME}, {bucket} and {source}", text)
	var t template
	for left := text; left != ""; {
		before, after, open := strings.Cut(left, "{")
		if strings.Contains(before, "}") {
			return nil, bad
		}
		if before != "" {
			t = append(t, part{text: before})
		}
		if !open {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		p := part{field: name}
		if tag, ok := strings.CutPrefix(name, "tag."); ok && tag != "" {
			p = part{field: "tag", tag: tag}
		}
		if !closed || !slices.Contains([]string{"series", "measurement", "tag", "bucket", "source"}, p.field) || p.field == "tag" && p.tag == "" {
			return nil, bad
		}
		t, left = append(t, p), rest
	}
	return t, nil
}

// fill is the key of one point: its series when the template names something
// that the point lacks. A key that is too long for one keeps its beginning and
// gets a hash, so that a series stays one key.
func (t template) fill(p *point, bucket, source string) string {
	var b strings.Builder
	for _, one := range t {
		v := one.text
		switch one.field {
		case "series":
			v = series(p)
		case "measurement":
			v = unescape(p.measurement)
		case "bucket":
			v = bucket
		case "source":
			v = source
		case "tag":
			v = p.tag(one.tag)
		}
		if v == "" {
			return short(series(p))
		}
		b.WriteString(v)
	}
	return short(b.String())
}

// tag is the value of the point's tag, empty when it has none.
func (p *point) tag(name string) string {
	for _, t := range p.tags {
		if unescape(t.name) == name {
			return unescape(t.value)
		}
	}
	return ""
}

// series is measurement and tags as sent, tags by name: Influx takes any
// order for the same series.
func series(p *point) string {
	tags := p.tags
	byName := func(a, b tag) int { return bytes.Compare(a.name, b.name) }
	if !slices.IsSortedFunc(tags, byName) {
		tags = slices.Clone(tags)
		slices.SortStableFunc(tags, byName)
	}
	size := len(p.measurement)
	for _, t := range tags {
		size += len(t.name) + len(t.value) + 2
	}
	b := append(make([]byte, 0, size), p.measurement...)
	for _, t := range tags {
		b = append(append(append(append(b, ','), t.name...), '='), t.value...)
	}
	return string(b)
}

// hashed is how many characters of a long key are its hash.
const hashed = 32

// short is the key, if it is not too long for one.
func short(key string) string {
	if len(key) <= shardlog.MaxPartitionKey || utf8.RuneCountInString(key) <= shardlog.MaxPartitionKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	end := 0
	for range shardlog.MaxPartitionKey - hashed - 1 {
		_, n := utf8.DecodeRuneInString(key[end:])
		end += n
	}
	return key[:end] + "#" + hex.EncodeToString(sum[:hashed/2])
}
