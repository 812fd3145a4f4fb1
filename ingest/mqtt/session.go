package mqtt

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"headgate/shardlog"
)

// qos2 is the space of packet ids whose records are stored and whose PUBREL
// has not come. FORMAT.md has its keys and values.
const qos2 shardlog.Space = "mqtt.qos2"

// idKey is the state key of one packet id of one client.
func idKey(client string, id uint16) string { return fmt.Sprintf("%s/%04x", client, id) }

// parseID reads the packet id of a key that begins with the client id and a
// slash; false when the key is another client's.
func parseID(client, key string) (uint16, bool) {
	if len(key) != len(client)+5 {
		return 0, false
	}
	id, err := strconv.ParseUint(key[len(client)+1:], 16, 16)
	return uint16(id), err == nil
}

// token names one attempt to store a QoS 2 message.
type token [8]byte

func newToken() (t token) {
	binary.LittleEndian.PutUint64(t[:], rand.Uint64())
	return t
}

// encodeID is the value of a packet id's key.
func encodeID(t token, at time.Time) []byte {
	b := append([]byte{1}, t[:]...)
	return binary.AppendUvarint(b, uint64(at.Unix()))
}

// decodeID reads an encodeID. Kind Corrupt.
func decodeID(b []byte) (t token, at time.Time, err error) {
	if len(b) < 10 || b[0] != 1 {
		return token{}, time.Time{}, shardlog.Errorf(shardlog.Corrupt, "decode packet id", "%d bytes", len(b))
	}
	copy(t[:], b[1:9])
	second, n := binary.Uvarint(b[9:])
	if n != len(b)-9 || second > 1<<40 {
		return token{}, time.Time{}, shardlog.Errorf(shardlog.Corrupt, "decode packet id", "time")
	}
	return t, time.Unix(int64(second), 0), nil
}

// idState is what a session knows of a packet id.
type idState uint8

const (
	unknown  idState = iota
	held             // its record is stored, PUBREL is awaited
	stale            // the same, over an earlier connection: only DUP makes a copy
	doubtful         // as stale, but may have been released: not even DUP makes a copy
	leaving          // PUBREL came, the key is being removed
)

// session is the QoS 2 state of one client id, shared by the connections that
// follow one another under it.
type session struct {
	client string

	mu    sync.Mutex
	ids   map[uint16]idState
	users int  // connections; guarded by sessions.mu
	ended bool // begun anew or expired: what is still stored for it must be removed
}

// arrive says what a PUBLISH with this id means.
func (s *session) arrive(id uint16, dup bool) (duplicate, fresh, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.ids[id] {
	case held:
		return true, false, false
	case leaving:
		return dup, !dup, false
	case doubtful:
		return false, true, false // stored once more at worst
	case stale:
		if dup {
			s.ids[id] = held
			return true, false, false
		}
		return false, true, false // the device forgot the id and uses it for something new
	default:
		return false, false, len(s.ids) >= maxUnreleased
	}
}

// has reports whether the id's record is stored.
func (s *session) has(id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id] != unknown
}

// copied reports whether a message under the id is a copy of one that is stored.
func (s *session) copied(id uint16, dup bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.ids[id] {
	case held:
		return true
	case stale, leaving:
		return dup
	}
	return false
}

// keep notes that the id's record is stored: held, or stale when the connection
// that it came by is over. It reports false when the session has ended meanwhile.
func (s *session) keep(id uint16, now idState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[id] = now
	return !s.ended
}

// release begins to remove an id; false when it is not known.
func (s *session) release(id uint16) (known, begun bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.ids[id] {
	case unknown:
		return false, false
	case leaving:
		return true, false
	}
	s.ids[id] = leaving
	return true, true
}

// forget ends the removal of an id.
func (s *session) forget(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

// end marks the session and answers the ids to remove.
func (s *session) end() []uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	var ids []uint16
	for id, state := range s.ids {
		if state != leaving {
			s.ids[id] = leaving
			ids = append(ids, id)
		}
	}
	return ids
}

// sessions are the QoS 2 sessions in use, by client id. Those of devices that
// are away, or never used QoS 2, cost no memory.
type sessions struct {
	states shardlog.States
	fence  *fence

	mu       sync.Mutex
	byClient map[string]*session
}

// open finds the session of a connecting client: nil when it has none. A clean
// start removes what the client left behind. Kinds as of shardlog.States.
func (ss *sessions) open(ctx context.Context, client string, clean bool) (*session, error) {
	if clean {
		ss.mu.Lock()
		old := ss.byClient[client]
		delete(ss.byClient, client)
		ss.mu.Unlock()
		if old != nil {
			old.end()
		}
		return nil, ss.wipe(ctx, client)
	}
	ids, now := ss.load(ctx, client), stale
	if len(ids) == 0 && !ss.holds(client) {
		return nil, ctx.Err()
	}
	// What is known here may be behind, after a start or when the device was
	// elsewhere: an id that was released and used again would make a copy of
	// something new.
	switch err := ss.fence.pass(ctx); {
	case err == nil:
		ids = ss.load(ctx, client)
	case ctx.Err() != nil || shardlog.KindOf(err) != shardlog.Unavailable:
		return nil, err
	default:
		now = doubtful
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := ss.attach(client)
	s.learn(ids, now)
	return s, nil
}

// holds reports whether a session of the client is in use here.
func (ss *sessions) holds(client string) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.byClient[client] != nil
}

// attach is the client's session, made when there is none, with one more user.
func (ss *sessions) attach(client string) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.byClient[client]
	if s == nil {
		s = &session{client: client, ids: map[uint16]idState{}}
		ss.byClient[client] = s
	}
	s.users++
	return s
}

// learn takes in what the replicated state says at the begin of a connection.
// An id that it does not have is not known any more; one that was stored since
// it was read is found out by the Put of its copy.
func (s *session) learn(ids []uint16, now idState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.ids
	s.ids = make(map[uint16]idState, len(ids))
	for id, state := range before {
		if state == leaving {
			s.ids[id] = leaving
		}
	}
	for _, id := range ids {
		if s.ids[id] != leaving {
			s.ids[id] = now
		}
	}
}

// leave ends one connection's use. With expire the session itself ends, unless
// another connection has it, and the ids to remove are answered.
func (ss *sessions) leave(s *session, expire bool) []uint16 {
	ss.mu.Lock()
	s.users--
	last := s.users == 0 && ss.byClient[s.client] == s
	if last {
		delete(ss.byClient, s.client)
	}
	ss.mu.Unlock()
	if last && expire {
		return s.end()
	}
	return nil
}

// current reports whether a session of this client other than s holds the id.
func (ss *sessions) current(s *session, id uint16) bool {
	ss.mu.Lock()
	now := ss.byClient[s.client]
	ss.mu.Unlock()
	return now != nil && now != s && now.has(id)
}

// load lists the ids in the replicated state.
func (ss *sessions) load(ctx context.Context, client string) []uint16 {
	var ids []uint16
	for key := range ss.states.List(ctx, qos2, client+"/") {
		if id, ok := parseID(client, key); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// wipe removes all ids of a client.
func (ss *sessions) wipe(ctx context.Context, client string) error {
	var gone []shardlog.Mutation
	for _, id := range ss.load(ctx, client) {
		gone = append(gone, shardlog.Mutation{Space: qos2, Key: idKey(client, id)})
	}
	if len(gone) == 0 {
		return ctx.Err()
	}
	return ss.states.Mutate(ctx, gone...)
}

// sweep removes the ids of clients that have not come back for a session's
// longest life, and those whose value is unreadable.
func (ss *sessions) sweep(ctx context.Context, now time.Time) error {
	var gone []shardlog.Mutation
	for key, value := range ss.states.List(ctx, qos2, "") {
		_, at, err := decodeID(value)
		if err == nil && now.Sub(at) < sessionExpiry {
			continue
		}
		slash := strings.LastIndexByte(key, '/')
		ss.mu.Lock()
		used := slash >= 0 && ss.byClient[key[:slash]] != nil
		ss.mu.Unlock()
		if !used && len(gone) < releaseBatch {
			gone = append(gone, shardlog.Mutation{Space: qos2, Key: key})
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return ss.states.Mutate(ctx, gone...)
}
