package syslog

import (
	"encoding/binary"
	"net/netip"

	"headgate/shardlog"
)

// Transport is how a message came.
type Transport uint8

// The transports.
const (
	UDP Transport = iota // RFC 5426
	TCP                  // RFC 6587
	TLS                  // RFC 5425
)

// String is the transport as statistics name it.
func (t Transport) String() string {
	switch t {
	case UDP:
		return "udp"
	case TCP:
		return "tcp"
	case TLS:
		return "tls"
	default:
		return "unknown"
	}
}

// Meta is what the door keeps beside a record's data, in Entry.Meta.
type Meta struct {
	Transport Transport
	Format    Format
	Facility  uint8 // 0 to 23
	Severity  uint8 // 0 to 7
	Cut       bool  // the data is not the whole message
	KeyIsHost bool  // the partition key is the hostname; then Hostname is empty

	Hostname string
	App      string         // APP-NAME or TAG
	Source   netip.AddrPort // where it came from; without zone
	Peer     string         // name in the client's certificate, if it was verified
}

// Tags of the fields after the first two bytes; FORMAT.md has the layout.
const (
	tagHostname = 1
	tagApp      = 2
	tagSource   = 3
	tagPeer     = 4
)

// Bits of the flags.
const (
	flagTransport = 0x03
	flagFormat    = 0x0c
	flagCut       = 0x10
	flagKeyIsHost = 0x20
	flagMark      = 0x40 // set: the MQTT door's metadata never has it, so that neither is taken for the other
	flagLater     = 0x80 // zero in this version

	formatShift = 2
)

// Append appends the encoded form to b. Fields that are empty take no room.
func (m Meta) Append(b []byte) []byte {
	flags := flagMark | byte(m.Transport)&flagTransport | byte(m.Format)<<formatShift&flagFormat
	if m.Cut {
		flags |= flagCut
	}
	if m.KeyIsHost {
		flags |= flagKeyIsHost
	}
	b = append(b, flags, m.Facility<<3|m.Severity&7)
	b = appendField(b, tagHostname, m.Hostname)
	b = appendField(b, tagApp, m.App)
	if m.Source.IsValid() {
		address := m.Source.Addr().AsSlice()
		b = append(b, tagSource, byte(len(address)+2))
		b = append(b, address...)
		b = binary.BigEndian.AppendUint16(b, m.Source.Port())
	}
	return appendField(b, tagPeer, m.Peer)
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
// over. Nothing of b is kept. Kind Corrupt.
func DecodeMeta(b []byte) (Meta, error) {
	if len(b) < 2 || b[0]&(flagLater|flagMark) != flagMark || b[0]&flagTransport > byte(TLS) || b[0]&flagFormat>>formatShift > byte(IETF) || b[1] > 191 {
		return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode syslog meta", "flags or priority")
	}
	m := Meta{
		Transport: Transport(b[0] & flagTransport), Format: Format(b[0] & flagFormat >> formatShift),
		Facility: b[1] >> 3, Severity: b[1] & 7, Cut: b[0]&flagCut != 0, KeyIsHost: b[0]&flagKeyIsHost != 0,
	}
	for b = b[2:]; len(b) > 0; {
		tag := b[0]
		size, n := binary.Uvarint(b[1:])
		if n <= 0 || size > uint64(len(b)-1-n) || !m.set(tag, b[1+n:1+n+int(size)]) {
			return Meta{}, shardlog.Errorf(shardlog.Corrupt, "decode syslog meta", "field %d", tag)
		}
		b = b[1+n+int(size):]
	}
	return m, nil
}

// set puts one decoded field into its place; false when its value is malformed.
func (m *Meta) set(tag byte, value []byte) bool {
	switch tag {
	case tagHostname:
		m.Hostname = string(value)
	case tagApp:
		m.App = string(value)
	case tagPeer:
		m.Peer = string(value)
	case tagSource:
		if len(value) < 2 {
			return false
		}
		address, ok := netip.AddrFromSlice(value[:len(value)-2])
		m.Source = netip.AddrPortFrom(address, binary.BigEndian.Uint16(value[len(value)-2:]))
		return ok
	}
	return true
}
