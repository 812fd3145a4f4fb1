package videoapi

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"headgate/shardlog"
)

const grantKey = "grant key" // 32 random bytes

// Grants seals session tokens: whoever holds one may watch one camera until a
// time. The key is replicated state, so that any gateway of the site takes
// what another has given. A token is the base64url form of
//
//	+------------------+---------------------------------------------+
//	| until, s u64     | HMAC-SHA256 of the camera's name, 0, until  |
//	+------------------+---------------------------------------------+
//
// Grants are safe for concurrent use.
type Grants struct {
	States shardlog.States

	mu  sync.Mutex
	key []byte // guarded by mu; nil until first used
}

// Seal makes a token. Kind Unavailable: the key cannot be made now.
func (g *Grants) Seal(ctx context.Context, camera shardlog.StreamName, until time.Time) (string, error) {
	key, err := g.load(ctx)
	if err != nil {
		return "", err
	}
	token := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(token, seal(key, camera, token)...)), nil
}

// Check answers Denied unless the token lets its holder watch the camera now.
func (g *Grants) Check(ctx context.Context, token string, camera shardlog.StreamName, now time.Time) error {
	denied := &shardlog.Error{Kind: shardlog.Denied, Op: "watch", Stream: camera, Err: errors.New("the session token is not valid, or no longer")}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != 8+sha256.Size {
		return denied
	}
	key, err := g.load(ctx)
	if err != nil {
		return err
	}
	if !hmac.Equal(b[8:], seal(key, camera, b[:8])) || now.Unix() >= int64(binary.BigEndian.Uint64(b)) {
		return denied
	}
	return nil
}

func seal(key []byte, camera shardlog.StreamName, until []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(append([]byte(camera), 0))
	m.Write(until)
	return m.Sum(nil)
}

// load is the site's key. Whoever needs it first makes it.
func (g *Grants) load(ctx context.Context) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.key == nil {
		key, _, err := g.States.Get(ctx, space, grantKey)
		switch {
		case err == nil && len(key) == sha256.Size:
			g.key = key
			continue
		case err == nil:
			return nil, shardlog.Errorf(shardlog.Corrupt, "load grant key", "%d bytes", len(key))
		case shardlog.KindOf(err) != shardlog.NotFound:
			return nil, err
		}
		made := make([]byte, sha256.Size)
		rand.Read(made) // never fails
		err = g.States.Mutate(ctx, shardlog.Mutation{Space: space, Key: grantKey, Value: made, Expect: shardlog.Absent()})
		if err != nil && shardlog.KindOf(err) != shardlog.Conflict {
			return nil, err
		}
	}
	return g.key, nil
}
