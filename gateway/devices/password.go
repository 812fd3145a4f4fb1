package devices

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"headgate/shardlog"
)

// Passwords that people choose are kept as Argon2id (RFC 9106) in the usual
// text form, $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH. Passwords that
// were made here hold 130 random bits, which nobody guesses: they are kept as
// $sha256$SALT$HASH, and cost a storm of devices nothing to check.
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonLanes  = 1
	hashSize    = 32
	saltSize    = 16

	argonHead  = "$argon2id$"
	sha256Head = "$sha256$"
)

// What a row may ask of this gateway. Another version of Headgate may have
// chosen other parameters, but none may take the memory away.
const (
	mostMemory = 64 << 10 // KiB
	mostPasses = 8
	mostLanes  = 4
)

// Passwords have 8 to 256 bytes.
const (
	MinPassword = 8
	MaxPassword = 256
)

func checkPassword(op, password string) error {
	if len(password) < MinPassword || len(password) > MaxPassword || !utf8.ValidString(password) {
		return shardlog.Errorf(shardlog.Invalid, op, "a password is %d to %d bytes of text", MinPassword, MaxPassword)
	}
	if strings.ContainsFunc(password, unicode.IsControl) {
		return shardlog.Errorf(shardlog.Invalid, op, "a password holds no control characters")
	}
	return nil
}

// newPassword makes a password and what is kept of it.
func newPassword() (Secret, string) {
	text := rand.Text()
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	return Secret{text}, sha256Head + b64(salt) + "$" + b64(quickHash([]byte(text), salt))
}

func quickHash(password, salt []byte) []byte {
	sum := sha256.Sum256(append(append([]byte("headgate device password\x00"), salt...), password...))
	return sum[:]
}

// hashPassword is what is kept of a password that somebody chose. It takes
// 19 MiB: only hasher calls it.
func hashPassword(password []byte) string {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	hash := argon2.IDKey(password, salt, argonPasses, argonMemory, argonLanes, hashSize)
	return fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$%s$%s", argonHead, argon2.Version, argonMemory, argonPasses, argonLanes, b64(salt), b64(hash))
}

// kept is what is kept of a password, taken apart.
type kept struct {
	quick          bool
	memory, passes uint32
	lanes          uint8
	salt, hash     []byte
}

func parseKept(text string) (kept, error) {
	if rest, ok := strings.CutPrefix(text, sha256Head); ok {
		return kept{quick: true}.with(rest)
	}
	parts := strings.SplitN(text, "$", 5)
	if len(parts) != 5 || !strings.HasPrefix(text, argonHead) {
		return kept{}, errors.New("the form of a password is unknown")
	}
	var k kept
	if parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return kept{}, errors.New("the version of a password is unknown")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &k.memory, &k.passes, &k.lanes); err != nil {
		return kept{}, errors.New("the cost of a password cannot be read")
	}
	if k.memory == 0 || k.memory > mostMemory || k.passes == 0 || k.passes > mostPasses || k.lanes == 0 || k.lanes > mostLanes {
		return kept{}, errors.New("a password costs more than is allowed")
	}
	return k.with(parts[4])
}

// with takes salt and hash.
func (k kept) with(text string) (kept, error) {
	salt, hash, _ := strings.Cut(text, "$")
	var err1, err2 error
	k.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(salt)
	k.hash, err2 = base64.RawStdEncoding.Strict().DecodeString(hash)
	if err1 != nil || err2 != nil || len(k.salt) < 8 || len(k.salt) > 64 || len(k.hash) != hashSize {
		return kept{}, errors.New("a password's salt or hash cannot be read")
	}
	return k, nil
}

// is reports whether the password is the one that was kept.
func (k kept) is(password []byte) bool {
	var hash []byte
	if k.quick {
		hash = quickHash(password, k.salt)
	} else {
		hash = argon2.IDKey(password, k.salt, k.passes, k.memory, k.lanes, hashSize)
	}
	return subtle.ConstantTimeCompare(hash, k.hash) == 1
}

func b64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }
