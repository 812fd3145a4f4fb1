package devices

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"

	"headgate/shardlog"
)

// Code is a claim code: who has it may enroll a device, or as many as it is
// for. It prints as ***.
type Code struct{ secret [codeSecret]byte }

// The text of a code is "hd-" and 20 characters of Crockford's base32, whose
// letters are hard to mistake, in groups of 4:
//
//	| 80 random bits, 16 characters | low 20 bits of their CRC-32C, 4 characters |
//
// 80 bits cannot be tried out, neither at a gateway nor on their hash.
const (
	codeSecret   = 10
	codePrefix   = "hd-"
	codeDigits   = 20
	codeAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	maxCodeText  = 256
)

func newCode() (c Code) {
	rand.Read(c.secret[:]) // never fails
	return c
}

// Text is the code as people carry it.
func (c Code) Text() string {
	hi, lo := binary.BigEndian.Uint64(c.secret[:8]), uint64(binary.BigEndian.Uint16(c.secret[8:]))
	var digits [codeDigits]byte
	check := c.check()
	for i := codeDigits - 1; i >= 0; i-- {
		if i >= codeDigits-4 {
			digits[i] = codeAlphabet[check&31]
			check >>= 5
			continue
		}
		digits[i] = codeAlphabet[lo&31]
		lo = lo>>5 | hi&31<<11 // the secret is 64 and 16 bits
		hi >>= 5
	}
	return fmt.Sprintf("%s%s-%s-%s-%s-%s", codePrefix, digits[:4], digits[4:8], digits[8:12], digits[12:16], digits[16:])
}

func (c Code) check() uint32 {
	return crc32.Checksum(c.secret[:], crc32.MakeTable(crc32.Castagnoli)) & (1<<20 - 1)
}

// hash is what the site keeps of the code. It is random, so one round does.
func (c Code) hash() string {
	sum := sha256.Sum256(append([]byte("headgate claim code\x00"), c.secret[:]...))
	return hex.EncodeToString(sum[:])
}

// Name names the code without telling it: 12 hexadecimal digits.
func (c Code) Name() string { return c.hash()[:claimName] }

const claimName = 12

// String hides the code.
func (Code) String() string { return "***" }

// LogValue hides the code.
func (Code) LogValue() slog.Value { return slog.StringValue("***") }

// Format hides the code, whatever the verb.
func (Code) Format(f fmt.State, _ rune) { fmt.Fprint(f, "***") }

// ParseCode reads a code as it was pasted, scanned or typed: blanks, dashes,
// quotes around it, capitals, and the usual mix-ups of o and 0, i, l and 1 do
// no harm. Kind Invalid, with what is wrong in words.
func ParseCode(text string) (Code, error) {
	if len(text) > maxCodeText {
		return Code{}, badCode("it is too long")
	}
	text = strings.ToLower(strings.Trim(strings.TrimSpace(text), "\"'`"))
	body, ok := strings.CutPrefix(text, codePrefix)
	if !ok {
		return Code{}, badCode("a code begins with %q", codePrefix)
	}
	var digits []byte
	for i, r := range body {
		switch r {
		case ' ', '\t', '\r', '\n', '-':
			continue
		case 'o':
			r = '0'
		case 'i', 'l':
			r = '1'
		}
		value := strings.IndexRune(codeAlphabet, r)
		if value < 0 {
			return Code{}, badCode("character %d is in no code", len(codePrefix)+i+1)
		}
		digits = append(digits, byte(value))
	}
	if len(digits) != codeDigits {
		return Code{}, badCode("it has %d characters after %q, a code has %d", len(digits), codePrefix, codeDigits)
	}
	return codeOf(digits)
}

func codeOf(digits []byte) (c Code, err error) {
	bits, n, out := uint32(0), 0, 0
	for _, d := range digits[:codeDigits-4] {
		bits, n = bits<<5|uint32(d), n+5
		if n >= 8 {
			n -= 8
			c.secret[out] = byte(bits >> n)
			out++
		}
	}
	check := uint32(0)
	for _, d := range digits[codeDigits-4:] {
		check = check<<5 | uint32(d)
	}
	if check != c.check() {
		return Code{}, badCode("its check does not match: a character is wrong")
	}
	return c, nil
}

func badCode(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "read claim code", format, args...)
}
