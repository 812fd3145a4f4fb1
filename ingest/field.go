package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"headgate/ingest/decode"
)

// field is what a part of a template stands for.
type field uint8

const (
	fieldText field = iota
	fieldClient
	fieldUser
	fieldTopic
	fieldLevel
	fieldRest
	fieldQoS
	fieldProperty
	fieldJSON
	fieldCBOR
	fieldGroup
	fieldEdge
	fieldDevice
	fieldType
)

// fieldNames are the fields as an error lists them.
const fieldNames = "{clientid}, {username}, {topic}, {topic.N} and {topic.N-} with N from 1, {qos}, {user.NAME}, " +
	"{json.PATH}, {cbor.PATH}, {sparkplug.group}, {sparkplug.edge}, {sparkplug.device}, {sparkplug.type}"

// simpleFields are those without a parameter.
var simpleFields = map[string]field{
	"clientid": fieldClient, "username": fieldUser, "topic": fieldTopic, "qos": fieldQoS, "sparkplug.group": fieldGroup,
	"sparkplug.edge": fieldEdge, "sparkplug.device": fieldDevice, "sparkplug.type": fieldType,
}

// parseField reads a field's name.
func parseField(name string) (part, bool) {
	if f, ok := simpleFields[name]; ok {
		return part{field: f}, true
	}
	family, rest, _ := strings.Cut(name, ".")
	if rest == "" {
		return part{}, false
	}
	switch family {
	case "topic":
		digits, open := strings.CutSuffix(rest, "-")
		n, err := strconv.ParseUint(digits, 10, 8)
		if err != nil || n == 0 {
			return part{}, false
		}
		if open {
			return part{field: fieldRest, level: int(n)}, true
		}
		return part{field: fieldLevel, level: int(n)}, true
	case "user":
		return part{field: fieldProperty, text: rest}, true
	case "json":
		return part{field: fieldJSON, path: strings.Split(rest, ".")}, true
	case "cbor":
		return part{field: fieldCBOR, path: strings.Split(rest, ".")}, true
	}
	return part{}, false
}

// value is what a part that does not read the payload stands for in this
// message; false: the message lacks it.
func (p *part) value(from *Source) (string, bool) {
	switch p.field {
	case fieldText:
		return p.text, true
	case fieldClient:
		return from.ClientID, true
	case fieldUser:
		return from.Username, from.Username != ""
	case fieldTopic:
		return from.Topic, true
	case fieldLevel, fieldRest:
		return p.levels(from.Topic)
	case fieldQoS:
		return qosText[from.QoS&3], true
	case fieldProperty:
		for i := range from.User {
			if from.User[i].Name == p.text {
				return from.User[i].Value, true
			}
		}
		return "", false
	}
	return p.sparkplug(from.Topic)
}

var qosText = [4]string{"0", "1", "2", "3"}

// levels is the Nth level of the topic, or all from there on.
func (p *part) levels(topic string) (string, bool) {
	for range p.level - 1 {
		at := strings.IndexByte(topic, '/')
		if at < 0 {
			return "", false
		}
		topic = topic[at+1:]
	}
	if p.field == fieldRest {
		return topic, true
	}
	level, _, _ := strings.Cut(topic, "/")
	return level, true
}

// sparkplug is a part of a topic of Sparkplug B.
func (p *part) sparkplug(topic string) (string, bool) {
	t, ok := decode.ParseSparkplugTopic(topic)
	if !ok {
		return "", false
	}
	switch p.field {
	case fieldGroup:
		return t.Group, true
	case fieldEdge:
		return t.Edge, true
	case fieldDevice:
		return t.Device, t.Device != ""
	}
	return t.Type, true
}

// modifier changes a field's text.
type modifier struct {
	lower   bool
	hash    int // digits; zero: none
	instead string
}

// parseModifier reads one modifier: lower, default:TEXT, hash:N.
func parseModifier(text string) (modifier, bool) {
	name, value, has := strings.Cut(text, ":")
	switch name {
	case "lower":
		return modifier{lower: true}, !has
	case "default":
		return modifier{instead: value}, value != ""
	case "hash":
		n, err := strconv.ParseUint(value, 10, 8)
		return modifier{hash: int(n)}, err == nil && n >= 1 && n <= 2*sha256.Size
	}
	return modifier{}, false
}

// apply changes what begins there in b. A text instead takes the place of what
// is missing or empty.
func (m modifier) apply(b []byte, begin int, o outcome) ([]byte, outcome) {
	switch {
	case m.instead != "":
		if o&missing != 0 || len(b) == begin {
			return append(b[:begin], m.instead...), o &^ missing
		}
	case o&missing != 0:
	case m.lower:
		return appendLower(b, begin), o
	default:
		sum := sha256.Sum256(b[begin:])
		var digits [2 * sha256.Size]byte
		hex.Encode(digits[:], sum[:])
		return append(b[:begin], digits[:m.hash]...), o
	}
	return b, o
}

// appendLower makes lower case of what begins there in b.
func appendLower(b []byte, begin int) []byte {
	for i := begin; i < len(b); i++ {
		switch c := b[i]; {
		case c >= utf8.RuneSelf:
			return append(b[:begin], strings.Map(unicode.ToLower, string(b[begin:]))...)
		case c >= 'A' && c <= 'Z':
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}
