package web

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"unicode/utf8"

	"headgate/shardlog"
)

// Meta is what the door keeps beside a record's data, in Entry.Meta. FORMAT.md
// has the layout.
type Meta struct {
	Topic       string     // of POST /topics
	Client      string     // of POST /topics; empty: the client id is the partition key
	ContentType string     // as sent; of one line, when Line is set, it is that of the whole body
	Site        string     // the name of the site whose key was used
	Address     netip.Addr // whoever sent it, or the last proxy that nobody vouches for
	Origin      string     // of the page
	Agent       string     // User-Agent
	Referrer    string     // Referer
	Line        bool       // one line of a body of several
}

// Tags of the fields; those below 4 are the MQTT door's.
const (
	tagTopic       = 1
	tagClient      = 2
	tagContentType = 3
	tagSite        = 4
	tagAddress     = 5
	tagOrigin      = 6
	tagAgent       = 7
	tagReferrer    = 8
	tagLine        = 9
)

// mark is the first byte. The MQTT door's never has its two high bits.
const mark = 'W'

// Append appends the encoded form to b. Fields that are empty take no room.
func (m Meta) Append(b []byte) []byte {
	b = append(b, mark)
	b = appendField(b, tagTopic, m.Topic)
	b = appendField(b, tagClient, m.Client)
	b = appendField(b, tagContentType, m.ContentType)
	b = appendField(b, tagSite, m.Site)
	b = appendField(b, tagAddress, string(m.Address.AsSlice()))
	b = appendField(b, tagOrigin, m.Origin)
	b = appendField(b, tagAgent, m.Agent)
	b = appendField(b, tagReferrer, m.Referrer)
	if m.Line {
		b = appendField(b, tagLine, "\x01")
	}
	return b
}

// appendField appends one tagged field, nothing when it is empty.
func appendField(b []byte, tag byte, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// DecodeMeta reads what Append wrote. Fields of later versions are passed
// over; nothing of the result is part of b. Kind Corrupt.
func DecodeMeta(b []byte) (Meta, error) {
	if len(b) == 0 || b[0] != mark {
		return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode web meta", "not of this door")
	}
	var m Meta
	for b = b[1:]; len(b) > 0; {
		tag := b[0]
		size, n := binary.Uvarint(b[1:])
		if n <= 0 || size > uint64(len(b)-1-n) {
			return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode web meta", "field %d", tag)
		}
		value := b[1+n : 1+n+int(size)]
		b = b[1+n+int(size):]
		if !m.set(tag, value) {
			return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode web meta", "field %d", tag)
		}
	}
	return m, nil
}

// set puts one decoded field into its place; false when its value is malformed.
func (m *Meta) set(tag byte, value []byte) bool {
	switch tag {
	case tagTopic:
		m.Topic = string(value)
	case tagClient:
		m.Client = string(value)
	case tagContentType:
		m.ContentType = string(value)
	case tagSite:
		m.Site = string(value)
	case tagAddress:
		address, ok := netip.AddrFromSlice(value)
		m.Address = address
		return ok
	case tagOrigin:
		m.Origin = string(value)
	case tagAgent:
		m.Agent = string(value)
	case tagReferrer:
		m.Referrer = string(value)
	case tagLine:
		m.Line = true
	}
	return true
}

// Bounds of what a stranger may put beside a record, in bytes. Longer values
// are cut: a record is not lost for its metadata.
const (
	maxType     = 128
	maxOrigin   = 256
	maxAgent    = 512
	maxReferrer = 1024
)

// cut shortens a header's value to whole characters of valid UTF-8.
func cut(value string, most int) string {
	if len(value) > most {
		for most > 0 && !utf8.RuneStart(value[most]) {
			most--
		}
		value = value[:most]
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}
