package kinesisapi

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"headgate/shardlog"
)

// space is where this package keeps its replicated state.
const space shardlog.Space = "kinesisapi"

const (
	tokenKey     = "token key" // 32 random bytes
	tokenLife    = 300 * time.Second
	tokenVersion = 1
	tokenHead    = 1 + 4 // version, epoch
	tokenNonce   = 12
	epochLength  = time.Hour
)

// errForged is a token that was not made here, or was changed since.
var errForged = errors.New("not a token of this site")

// tokens seals and opens what clients carry from call to call. The key is
// replicated state, so that any gateway of the site opens what another has
// sealed. A token on the wire is the base64 form of
//
//	+---------+-----------+-----------+------------------------------+--------+
//	| version | epoch u32 | nonce (12)| issued ms i64 | content …    | tag 16 |
//	+---------+-----------+-----------+------------------------------+--------+
//	           hours since 1970        sealed with AES-256-GCM, the head as its
//	                                   additional data
//
// Each hour and purpose has its own key, made of the site's: so random nonces
// never come near their limit, and a token for one purpose is none for another.
type tokens struct {
	states shardlog.States
	life   time.Duration
	now    func() time.Time

	mu   sync.Mutex
	site []byte // guarded by mu; nil until first used
}

// seal makes a token of content, issued now.
func (t *tokens) seal(ctx context.Context, purpose string, content []byte) (string, error) {
	now := t.now()
	epoch := uint32(now.Unix() / int64(epochLength/time.Second))
	aead, err := t.cipher(ctx, purpose, epoch)
	if err != nil {
		return "", err
	}
	token := make([]byte, tokenHead+tokenNonce, tokenHead+tokenNonce+8+len(content)+aead.Overhead())
	token[0] = tokenVersion
	binary.BigEndian.PutUint32(token[1:], epoch)
	rand.Read(token[tokenHead:]) // never fails
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(content)), uint64(now.UnixMilli()))
	plain = append(plain, content...)
	token = aead.Seal(token, token[tokenHead:tokenHead+tokenNonce], plain, token[:tokenHead])
	return base64.StdEncoding.EncodeToString(token), nil
}

// open answers a token's content and when it was issued. A token of another
// making is errForged; whether one is too old, expired says.
func (t *tokens) open(ctx context.Context, purpose, text string) (content []byte, issued time.Time, err error) {
	token, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(token) < tokenHead+tokenNonce+8+16 || token[0] != tokenVersion {
		return nil, time.Time{}, errForged
	}
	aead, err := t.cipher(ctx, purpose, binary.BigEndian.Uint32(token[1:]))
	if err != nil {
		return nil, time.Time{}, err
	}
	head, nonce, sealed := token[:tokenHead], token[tokenHead:tokenHead+tokenNonce], token[tokenHead+tokenNonce:]
	plain, err := aead.Open(nil, nonce, sealed, head)
	if err != nil || len(plain) < 8 {
		return nil, time.Time{}, errForged
	}
	return plain[8:], time.UnixMilli(int64(binary.BigEndian.Uint64(plain))), nil
}

// expired reports whether a token issued then is too old. One from the future
// is too: the clock was put back, and its holder must begin anew.
func (t *tokens) expired(issued time.Time) bool {
	age := t.now().Sub(issued)
	return age > t.life || age < -t.life
}

func (t *tokens) cipher(ctx context.Context, purpose string, epoch uint32) (cipher.AEAD, error) {
	site, err := t.key(ctx)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, site)
	h.Write(binary.BigEndian.AppendUint32([]byte(purpose+"\x00"), epoch))
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("make token cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// key is the site's key. Whoever needs it first makes it.
func (t *tokens) key(ctx context.Context) ([]byte, error) {
	t.mu.Lock()
	site := t.site
	t.mu.Unlock()
	if site != nil {
		return site, nil
	}
	site, err := t.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load token key: %w", err)
	}
	t.mu.Lock()
	t.site = site
	t.mu.Unlock()
	return site, nil
}

func (t *tokens) load(ctx context.Context) ([]byte, error) {
	for {
		site, _, err := t.states.Get(ctx, space, tokenKey)
		if err == nil && len(site) == sha256.Size {
			return site, nil
		}
		if err == nil {
			return nil, shardlog.Errorf(shardlog.Corrupt, "load token key", "%d bytes", len(site))
		}
		if shardlog.KindOf(err) != shardlog.NotFound {
			return nil, err
		}
		made := make([]byte, sha256.Size)
		rand.Read(made) // never fails
		err = t.states.Mutate(ctx, shardlog.Mutation{Space: space, Key: tokenKey, Value: made, Expect: shardlog.Absent()})
		if err == nil {
			return made, nil
		}
		if shardlog.KindOf(err) != shardlog.Conflict {
			return nil, err
		}
	}
}
