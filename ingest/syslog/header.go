package syslog

import (
	"bytes"
	"net/netip"
	"unicode/utf8"
)

// Format says how a message's header was read.
type Format uint8

// The formats.
const (
	Bare Format = iota // no PRI: user.notice is assumed (RFC 3164, 4.3.3)
	BSD                // RFC 3164, or something near it
	IETF               // RFC 5424
)

// noPriority is the PRI of a message without one (RFC 3164, 4.3.3).
const noPriority = 13

// maxName is how many bytes a HOSTNAME may have (RFC 5424, 6); an APP-NAME or
// a TAG is given as much.
const maxName = 255

// Header is what the door reads of a message. Hostname and App are parts of
// the message, nil when it does not say.
type Header struct {
	Format   Format
	Facility uint8
	Severity uint8
	Hostname []byte
	App      []byte // APP-NAME (RFC 5424) or TAG without process id (RFC 3164)
}

// ParseHeader reads as much of a header as there is. It has no error: a
// message that is none is still worth keeping. It reads no further than the
// fields it wants.
func ParseHeader(message []byte) Header {
	pri, rest, ok := cutPriority(message)
	if !ok {
		return Header{Format: Bare, Facility: noPriority / 8, Severity: noPriority % 8}
	}
	h := Header{Format: BSD, Facility: pri / 8, Severity: pri % 8}
	if body, ok := cutVersion(rest); ok {
		h.Format = IETF
		h.ietf(body)
		return h
	}
	h.bsd(rest)
	return h
}

// cutPriority cuts <PRI> off the front: 0 to 191 without leading zeros
// (RFC 5424, 6.2.1).
func cutPriority(b []byte) (pri uint8, rest []byte, ok bool) {
	if len(b) < 3 || b[0] != '<' {
		return 0, nil, false
	}
	n, i := 0, 1
	for ; i < len(b) && i < 4 && digit(b[i]); i++ {
		n = 10*n + int(b[i]-'0')
	}
	if i == 1 || i == len(b) || b[i] != '>' || n > 191 || b[1] == '0' && i > 2 {
		return 0, nil, false
	}
	return uint8(n), b[i+1:], true
}

// cutVersion cuts VERSION SP off the front if what follows can be a TIMESTAMP
// of RFC 5424: NILVALUE, or a year and a dash. A message of RFC 3164 may begin
// with a number too.
func cutVersion(b []byte) (rest []byte, ok bool) {
	i := 0
	for i < len(b) && i < 3 && digit(b[i]) {
		i++
	}
	if i == 0 || b[0] == '0' || i == len(b) || b[i] != ' ' {
		return nil, false
	}
	rest = b[i+1:]
	if len(rest) >= 2 && rest[0] == '-' && rest[1] == ' ' {
		return rest, true
	}
	return rest, len(rest) >= 5 && digits(rest[:4]) && rest[4] == '-'
}

// ietf reads TIMESTAMP SP HOSTNAME SP APP-NAME (RFC 5424, 6).
func (h *Header) ietf(b []byte) {
	_, b, _ = bytes.Cut(limit(b), []byte{' '})
	host, b, _ := bytes.Cut(limit(b), []byte{' '})
	app, _, whole := bytes.Cut(limit(b), []byte{' '})
	h.Hostname = name(host)
	if whole {
		h.App = name(app)
	}
}

// bsd reads [sequence] [timestamp] [hostname] [tag] as devices write them,
// which is seldom as RFC 3164 has it.
func (h *Header) bsd(b []byte) {
	b = bytes.TrimLeft(limit(b), " ")
	for range 2 { // Cisco: message counter, sequence number
		if i := bytes.IndexByte(b, ':'); i >= 0 && i+1 < len(b) && b[i+1] == ' ' && digits(b[:i]) {
			b = b[i+2:]
		}
	}
	if i := bytes.Index(b, []byte(": ")); i > 0 && i <= maxName && hostlike(b[:i]) && stamp(b[i+2:]) > 0 {
		h.Hostname = name(b[:i]) // Cisco: logging origin-id
		b = b[i+2:]
	}
	n := stamp(b)
	if n == 0 {
		h.App = tag(b)
		return
	}
	if b = b[n:]; len(b) > 0 && b[0] == ':' { // Cisco: no hostname after the time
		h.App = tag(bytes.TrimLeft(b[1:], " "))
		return
	}
	b = bytes.TrimLeft(b, " ")
	token, after, more := bytes.Cut(b, []byte{' '})
	if more && len(token) == 4 && digits(token) { // a year after the time
		b = after
		token, after, more = bytes.Cut(b, []byte{' '})
	}
	if h.Hostname == nil && hostlike(token) {
		h.Hostname = name(token)
		if !more {
			return
		}
		b = bytes.TrimLeft(after, " ")
	}
	h.App = tag(b)
}

// tag is the TAG in front: what stands before ":" or "[" (RFC 3164, 4.1.3).
// A word that ends otherwise belongs to the text.
func tag(b []byte) []byte {
	i := bytes.IndexAny(b, ":[ ")
	if i <= 0 || b[i] == ' ' {
		return nil
	}
	return name(b[:i])
}

// hostlike reports whether a word looks like a host name or an address. One
// with a colon in it is an IPv6 address or a TAG.
func hostlike(b []byte) bool {
	for _, c := range b {
		if !digit(c) && !letter(c) && c < utf8.RuneSelf && !bytes.ContainsRune([]byte(".-_:/%"), rune(c)) {
			return false
		}
	}
	if len(b) > maxName || bytes.IndexByte(b, ':') < 0 {
		return len(b) > 0
	}
	_, err := netip.ParseAddr(string(b))
	return err == nil
}

// name is the word if it can be a name, else nil; so is NILVALUE.
func name(b []byte) []byte {
	if len(b) == 0 || len(b) > maxName || len(b) == 1 && b[0] == '-' || !utf8.Valid(b) {
		return nil
	}
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return nil
		}
	}
	return b
}

// limit bounds how far a field is sought.
func limit(b []byte) []byte { return b[:min(len(b), 4*maxName)] }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }

// digits reports whether b is digits alone; nothing is.
func digits(b []byte) bool {
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return true
}
