package devices

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"headgate/shardlog"
)

// Session is a device that is connected. It follows what is changed about the
// device while Run runs. It is safe for concurrent use.
type Session struct {
	store *Store
	id    string
	by    credential
	acl   atomic.Pointer[ACL]
	once  sync.Once
	ended chan struct{}
}

// Device is the device's id, which is its client id as well.
func (s *Session) Device() string { return s.id }

// ACL is what the device may do now. It is cheap: ask for it each time.
func (s *Session) ACL() *ACL { return s.acl.Load() }

// Ended is closed when the device may not stay connected: it was disabled,
// revoked or deleted, or what it came by was taken from it. That a certificate
// ends by its date closes nothing; it is judged when a device connects.
func (s *Session) Ended() <-chan struct{} { return s.ended }

// Close says that the connection is over. It may be called more than once.
func (s *Session) Close() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	all := s.store.sessions[s.id]
	at := slices.Index(all, s)
	if at < 0 {
		return
	}
	s.store.open--
	if len(all) == 1 {
		delete(s.store.sessions, s.id)
		return
	}
	s.store.sessions[s.id] = slices.Delete(all, at, at+1)
}

func (s *Session) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *Session) end() { s.once.Do(func() { close(s.ended) }) }

func (s *Store) begin(id string, by credential, e *entry) *Session {
	session := &Session{store: s, id: id, by: by, ended: make(chan struct{})}
	session.acl.Store(e.acl)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[id] = append(s.sessions[id], session)
	s.open++
	return session
}

// refresh holds a session against its device as it is now. What cannot be read
// leaves it as it is.
func (s *Store) refresh(ctx context.Context, session *Session) {
	e, err := s.load(ctx, session.id)
	if err != nil {
		if kind := shardlog.KindOf(err); kind == shardlog.NotFound || kind == shardlog.Corrupt {
			session.end()
		}
		return
	}
	if _, ok := e.row.holds(session.by); !ok || e.row.State != Active {
		session.end()
		return
	}
	session.acl.Store(e.acl)
}

// recheck refreshes the sessions of these devices here.
func (s *Store) recheck(ctx context.Context, ids ...string) {
	var all []*Session
	s.mu.Lock()
	for _, id := range ids {
		all = append(all, s.sessions[id]...)
	}
	s.mu.Unlock()
	s.refreshAll(ctx, all)
}

// recheckAll refreshes every session here.
func (s *Store) recheckAll(ctx context.Context) {
	s.mu.Lock()
	all := make([]*Session, 0, s.open)
	for _, some := range s.sessions {
		all = append(all, some...)
	}
	s.mu.Unlock()
	s.refreshAll(ctx, all)
}

func (s *Store) refreshAll(ctx context.Context, all []*Session) {
	ctx = context.WithoutCancel(ctx) // the change was made, whoever asked for it
	for _, session := range all {
		s.refresh(ctx, session)
	}
}
