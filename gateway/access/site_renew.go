package access

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// saveAgain is how long a certificate that could not be written is used from
// memory before the folder is tried again.
const saveAgain = time.Hour

// Certificate is this gateway's certificate with the authority's behind it,
// for TLS. The caller does not change it. Past two thirds of its life, however
// far, a new one with a new key is made and written first. When it cannot be
// written, it is used all the same, and Fault says so.
//
// A clock that runs behind renews nothing, so that it cannot replace a good
// certificate by one that ended long ago.
func (s *Site) Certificate(now time.Time) *tls.Certificate {
	s.mu.RLock()
	own, fresh := s.own, s.key == nil || !due(s.own.Leaf, now) && (s.unsaved == nil || now.Before(s.retry))
	s.mu.RUnlock()
	if fresh {
		return own
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if due(s.own.Leaf, now) {
		next, err := s.newOwn(s.gateway, now)
		if err != nil {
			s.unsaved, s.retry = fmt.Errorf("renew certificate: %w", err), now.Add(saveAgain)
			return s.own
		}
		s.own = next
		s.unsaved, s.retry = fmt.Errorf("renewed certificate is not written yet"), now
	}
	if s.unsaved != nil && !now.Before(s.retry) {
		s.save(now)
	}
	return s.own
}

// due reports whether two thirds of a certificate's life are over.
func due(leaf *x509.Certificate, now time.Time) bool {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return now.After(leaf.NotBefore.Add(life / 3 * 2))
}

// save writes the present certificate; the caller holds mu.
func (s *Site) save(now time.Time) {
	if err := writeOwn(s.dir, s.own); err != nil {
		s.unsaved, s.retry = fmt.Errorf("write renewed certificate: %w", err), now.Add(saveAgain)
		return
	}
	s.unsaved = nil
}

// Adopt gives this gateway another id, with a new certificate: one that lost
// its log comes back as somebody else, because it may not vote a second time
// under the old name. The old id is unknown here afterwards.
func (s *Site) Adopt(gatewayID string, now time.Time) error {
	if err := checkGatewayID("adopt id", gatewayID); err != nil {
		return err
	}
	next, err := s.newOwn(gatewayID, now)
	if err != nil {
		return fmt.Errorf("adopt id: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := writeOwn(s.dir, next); err != nil {
		return fmt.Errorf("adopt id: %w", err)
	}
	s.own, s.gateway, s.unsaved = next, gatewayID, nil
	return nil
}
