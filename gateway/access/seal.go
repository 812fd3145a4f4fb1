package access

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Seals are what secrets are encrypted with while they lie on a disk or travel
// between gateways. They are kept apart from what they encrypt. The first one
// seals, any of them opens. Without a Seal secrets lie as they are.
type Seals []Seal

// Seal is one key of AES-256. It prints without it.
type Seal struct{ key [32]byte }

// String tells nothing.
func (s Seal) String() string { return "access.Seal{***}" }

// GoString tells nothing.
func (s Seal) GoString() string { return s.String() }

// NewSeal makes a Seal of a secret that is at least as hard to guess as it
// should be to open what is sealed.
func NewSeal(secret []byte) Seal {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("headgate: secrets of access keys"))
	var s Seal
	h.Sum(s.key[:0])
	return s
}

// OpenSeal is the Seal of a file, which is made, its owner's alone, when it is
// not there. A file that is not whole is kept beside the new one: what it
// sealed cannot be opened any more, but a gateway starts.
func OpenSeal(path string) (Seal, error) {
	text, err := readKeys(path)
	if err == nil && len(text) == sealFile {
		return NewSeal(text), nil
	}
	switch {
	case err == nil:
		err = os.Rename(path, path+".broken")
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return Seal{}, fmt.Errorf("open seal: %w", err)
	}
	secret := make([]byte, sealFile)
	rand.Read(secret) // never fails
	if err := writeFile(path, secret); err != nil {
		return Seal{}, fmt.Errorf("write seal: %w", err)
	}
	return NewSeal(secret), nil
}

const sealFile = 32 // bytes of the file

// Seal is what the site's gateways have in common to seal with: it follows from
// the key of the authority. False while that cannot be read.
func (s *Site) Seal() (Seal, bool) {
	if s.key == nil {
		return Seal{}, false
	}
	return NewSeal(s.key.Seed()), true
}

// A sealed secret is the base64 form of
//
//	+----------+------------+-------------------------+--------+
//	| mark (4) | nonce (12) | the secret, AES-256-GCM | tag 16 |
//	+----------+------------+-------------------------+--------+
//
// The mark says which Seal it was; the key's id is the additional data, so
// that a secret cannot be moved to another id.
const (
	sealMark  = 4
	sealNonce = 12
)

func (s Seal) mark() []byte {
	sum := sha256.Sum256(append([]byte("mark\x00"), s.key[:]...))
	return sum[:sealMark]
}

func (s Seal) cipher() cipher.AEAD {
	block, err := aes.NewCipher(s.key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block
	}
	return aead
}

// seal encrypts the secret of a key.
func (s Seal) seal(id, secret string) string {
	b := make([]byte, sealMark+sealNonce, sealMark+sealNonce+len(secret)+16)
	copy(b, s.mark())
	rand.Read(b[sealMark:]) // never fails
	b = s.cipher().Seal(b, b[sealMark:], []byte(secret), []byte(id))
	return base64.StdEncoding.EncodeToString(b)
}

// open is the secret that was sealed; by says by which of the Seals.
func (all Seals) open(id, sealed string) (secret string, by int, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(sealed)
	if err != nil || len(b) < sealMark+sealNonce {
		return "", 0, false
	}
	for i, s := range all {
		if !bytes.Equal(b[:sealMark], s.mark()) {
			continue
		}
		plain, err := s.cipher().Open(nil, b[sealMark:sealMark+sealNonce], b[sealMark+sealNonce:], []byte(id))
		if err == nil && isSecret(string(plain)) {
			return string(plain), i, true
		}
	}
	return "", 0, false
}
