package mqtt

import (
	"encoding/binary"
	"math"

	"headgate/ingest"
	"headgate/shardlog"
)

// Meta is what the door keeps beside a record's data, in Entry.Meta.
type Meta struct {
	Topic      string
	Client     string // empty: the client id is the partition key
	QoS        byte
	Retain     bool
	Dup        bool   // sent again after a lost connection
	Will       bool   // a last will, published by the gateway
	RecordOnly bool   // subscribers are not sent it
	Expiry     uint32 // seconds after which subscribers are not sent it any more; zero: never

	// MQTT 5 only.
	Text          bool // the payload is UTF-8 text, the device says
	ContentType   string
	ResponseTopic string
	Correlation   []byte
	User          []Property
}

// Property is a user property of MQTT 5.
type Property = ingest.Property

// Tags of the fields after the flags; FORMAT.md has the layout.
const (
	tagTopic       = 1
	tagClient      = 2
	tagContentType = 3
	tagResponse    = 4
	tagCorrelation = 5
	tagUser        = 6
	tagExpiry      = 7
	tagRecordOnly  = 8
)

// Bits of the flags.
const (
	flagQoS    = 0x03
	flagRetain = 0x04
	flagDup    = 0x08
	flagWill   = 0x10
	flagText   = 0x20
	flagLater  = 0xc0 // zero in this version
)

// Append appends the encoded form to b. Fields that are empty take no room.
func (m Meta) Append(b []byte) []byte {
	flags := m.QoS & flagQoS
	for _, f := range []struct {
		set bool
		bit byte
	}{{m.Retain, flagRetain}, {m.Dup, flagDup}, {m.Will, flagWill}, {m.Text, flagText}} {
		if f.set {
			flags |= f.bit
		}
	}
	b = append(b, flags)
	b = appendField(b, tagTopic, m.Topic)
	b = appendField(b, tagClient, m.Client)
	b = appendField(b, tagContentType, m.ContentType)
	b = appendField(b, tagResponse, m.ResponseTopic)
	b = appendField(b, tagCorrelation, string(m.Correlation))
	if m.Expiry > 0 {
		b = append(b, tagExpiry)
		b = binary.AppendUvarint(b, uint64(uvarintLen(int(m.Expiry))))
		b = binary.AppendUvarint(b, uint64(m.Expiry))
	}
	if m.RecordOnly {
		b = append(b, tagRecordOnly, 0)
	}
	for _, p := range m.User {
		b = append(b, tagUser)
		b = binary.AppendUvarint(b, uint64(uvarintLen(len(p.Name))+len(p.Name)+len(p.Value)))
		b = binary.AppendUvarint(b, uint64(len(p.Name)))
		b = append(b, p.Name...)
		b = append(b, p.Value...)
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

// uvarintLen is how many bytes n takes as a uvarint.
func uvarintLen(n int) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutUvarint(b[:], uint64(n))
}

// DecodeMeta reads what Append wrote. Fields of later versions are passed
// over. Correlation is part of b. Kind Corrupt.
func DecodeMeta(b []byte) (Meta, error) {
	if len(b) == 0 || b[0]&flagLater != 0 || b[0]&flagQoS == flagQoS {
		return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode mqtt meta", "flags")
	}
	m := Meta{
		QoS: b[0] & flagQoS, Retain: b[0]&flagRetain != 0, Dup: b[0]&flagDup != 0,
		Will: b[0]&flagWill != 0, Text: b[0]&flagText != 0,
	}
	for b = b[1:]; len(b) > 0; {
		tag := b[0]
		value, rest, ok := cutBytes(b[1:])
		if !ok || !m.set(tag, value) {
			return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode mqtt meta", "field %d", tag)
		}
		b = rest
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
	case tagResponse:
		m.ResponseTopic = string(value)
	case tagCorrelation:
		m.Correlation = value
	case tagExpiry:
		n, size := binary.Uvarint(value)
		m.Expiry = uint32(n)
		return size == len(value) && n <= math.MaxUint32
	case tagRecordOnly:
		m.RecordOnly = true
	case tagUser:
		name, rest, ok := cutBytes(value)
		m.User = append(m.User, Property{Name: string(name), Value: string(rest)})
		return ok
	}
	return true
}

// cutBytes cuts a length and that many bytes off the front.
func cutBytes(b []byte) (value, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}
