package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"headgate/shardlog"
)

// JoinSecret lets one newcomer in, once. It prints as ***.
type JoinSecret [16]byte

// String hides the secret.
func (JoinSecret) String() string { return "***" }

// GoString hides the secret.
func (JoinSecret) GoString() string { return "access.JoinSecret{***}" }

// LogValue hides the secret.
func (JoinSecret) LogValue() slog.Value { return slog.StringValue("***") }

// Format hides the secret, whatever the verb.
func (JoinSecret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "***") }

// NewJoinSecret is 128 random bits.
func NewJoinSecret() (s JoinSecret) {
	rand.Read(s[:]) // never fails
	return s
}

// Hash is what the site keeps of the secret, and a name for it that may be
// shown: 64 hexadecimal digits.
func (s JoinSecret) Hash() string {
	sum := sha256.Sum256(append([]byte("headgate join secret\x00"), s[:]...))
	return hex.EncodeToString(sum[:])
}

// Is reports, in a time that does not depend on the secret, whether hash is
// the secret's.
func (s JoinSecret) Is(hash string) bool {
	return subtle.ConstantTimeCompare([]byte(s.Hash()), []byte(hash)) == 1
}

// JoinCode is what a newcomer needs to find members of a site, to know them
// when it meets them, and to be let in. People carry it as one line of text.
type JoinCode struct {
	Addresses []string // of members, "host:port"
	Authority Fingerprint
	Secret    JoinSecret
}

// Invite makes a code with a new secret, whose Hash the site must remember.
// Kind Invalid for addresses that a code cannot carry: 1 to 8 of "host:port".
func (s *Site) Invite(addresses ...string) (JoinCode, error) {
	c := JoinCode{Addresses: slices.Clone(addresses), Authority: s.Fingerprint(), Secret: NewJoinSecret()}
	if len(c.Addresses) == 0 || len(c.Addresses) > maxJoinAddresses {
		return JoinCode{}, shardlog.Errorf(shardlog.Invalid, "invite", "%d addresses, 1 to %d are possible", len(addresses), maxJoinAddresses)
	}
	for _, a := range c.Addresses {
		if !isAddress(a) {
			return JoinCode{}, shardlog.Errorf(shardlog.Invalid, "invite", "%.80q is no address of the form host:port", a)
		}
	}
	return c, nil
}

// String is the code without its secret; Text is what people carry.
func (c JoinCode) String() string {
	return fmt.Sprintf("join code for %s at %s", c.Authority, strings.Join(c.Addresses, ", "))
}

// LogValue is the code without its secret.
func (c JoinCode) LogValue() slog.Value { return slog.StringValue(c.String()) }

// The bytes of a join code, before they become text:
//
//	+---------+-----------+--------+-------------+---------+
//	| version | authority | secret | addresses … | CRC-32C |
//	|   1     |    16     |   16   |             |  4, BE  |
//	+---------+-----------+--------+-------------+---------+
//	address: 4, IPv4 (4), port (2, BE)
//	         6, IPv6 (16), port (2, BE)
//	         1, length (1), name, port (2, BE)
//
// The text is "hg-" and Crockford's base32, whose letters are hard to mistake.
const (
	joinVersion      = 1
	joinPrefix       = "hg-"
	maxJoinAddresses = 8
	maxJoinText      = 4096
	joinAlphabet     = "0123456789abcdefghjkmnpqrstvwxyz"

	byName, byIPv4, byIPv6 = 1, 4, 6
)

// Text is the whole code as people carry it: one line, which a double click
// takes up to the dash. Whoever reads it can join.
func (c JoinCode) Text() string {
	b := []byte{joinVersion}
	b = append(b, c.Authority[:]...)
	b = append(b, c.Secret[:]...)
	for _, a := range c.Addresses {
		b = appendAddress(b, a)
	}
	return sealJoinCode(b)
}

func sealJoinCode(b []byte) string {
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return joinPrefix + joinEncoding().EncodeToString(b)
}

// ParseJoinCode reads a code as it was pasted or typed: blanks, line ends and
// quotes around it, capitals, and the usual mix-ups of o and 0, l and 1 do no
// harm. Kind Invalid, with what is wrong in words.
func ParseJoinCode(text string) (JoinCode, error) {
	digits, err := joinDigits(text)
	if err != nil {
		return JoinCode{}, err
	}
	b, err := joinEncoding().DecodeString(digits)
	if err != nil || len(b) < 1+16+16+4 {
		return JoinCode{}, badCode("it is too short: was it copied to its end?")
	}
	b, check := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) != check {
		return JoinCode{}, badCode("its check does not match: a character is wrong or missing")
	}
	if b[0] != joinVersion {
		return JoinCode{}, badCode("it is of version %d, this gateway knows version %d: update it", b[0], joinVersion)
	}
	c := JoinCode{Authority: Fingerprint(b[1:17]), Secret: JoinSecret(b[17:33])}
	for b = b[33:]; len(b) > 0; {
		var a string
		if a, b = cutAddress(b); a == "" || len(c.Addresses) == maxJoinAddresses {
			return JoinCode{}, badCode("it holds an address that cannot be one")
		}
		c.Addresses = append(c.Addresses, a)
	}
	if len(c.Addresses) == 0 {
		return JoinCode{}, badCode("it holds no address")
	}
	return c, nil
}

// joinDigits is the text in the alphabet of the code.
func joinDigits(text string) (string, error) {
	if len(text) > maxJoinText {
		return "", badCode("it is too long")
	}
	text = strings.ToLower(strings.Trim(strings.TrimSpace(text), "\"'`"))
	body, ok := strings.CutPrefix(text, joinPrefix)
	if !ok {
		return "", badCode("a code begins with %q", joinPrefix)
	}
	var digits strings.Builder
	for i, r := range body {
		switch r {
		case ' ', '\t', '\r', '\n', '-':
			continue
		case 'o':
			r = '0'
		case 'i', 'l':
			r = '1'
		}
		if !strings.ContainsRune(joinAlphabet, r) {
			return "", badCode("character %d, %q, is in no code", len(joinPrefix)+i+1, r)
		}
		digits.WriteRune(r)
	}
	return digits.String(), nil
}

func joinEncoding() *base32.Encoding {
	return base32.NewEncoding(joinAlphabet).WithPadding(base32.NoPadding)
}

func badCode(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "read join code", format, args...)
}

// appendAddress adds an address for which isAddress holds.
func appendAddress(b []byte, address string) []byte {
	host, port, _ := net.SplitHostPort(address)
	n, _ := strconv.ParseUint(port, 10, 16)
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && ip.Is4():
		b = append(append(b, byIPv4), ip.AsSlice()...)
	case err == nil && ip.Zone() == "":
		b = append(append(b, byIPv6), ip.AsSlice()...)
	default:
		b = append(append(b, byName, byte(len(host))), host...)
	}
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// cutAddress takes the first address off b, "" when it is none.
func cutAddress(b []byte) (address string, rest []byte) {
	tag, b := b[0], b[1:]
	n := map[byte]int{byIPv4: 4, byIPv6: 16}[tag]
	if tag == byName && len(b) > 0 {
		n, b = int(b[0]), b[1:]
	}
	if n == 0 || len(b) < n+2 {
		return "", nil
	}
	host, port, rest := string(b[:n]), binary.BigEndian.Uint16(b[n:]), b[n+2:]
	if tag != byName {
		ip, _ := netip.AddrFromSlice([]byte(host))
		host = ip.String()
	}
	address = net.JoinHostPort(host, strconv.Itoa(int(port)))
	if !isAddress(address) {
		return "", nil
	}
	return address, rest
}
