package devices

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"headgate/shardlog"
)

// Connection is what a client shows when it connects. Certificates are those
// of its TLS connection, its own first, as crypto/tls has them; that the client
// has the key to it was checked by the handshake.
type Connection struct {
	ClientID     string // empty: the device's id is taken
	Username     string // the device's id; may be empty with a certificate
	Password     []byte // not kept
	Certificates []*x509.Certificate
}

// Verify lets a device in: by the certificate, when it is one of ours, else by
// username and password. Its client id must be its id. The Session has to be
// closed when the connection ends.
//
// Kinds: Denied; Throttled, with RetryAfter, when too many passwords wait to be
// hashed or too many were wrong; Corrupt for a device that cannot be
// understood; Unavailable when ctx ended.
func (s *Store) Verify(ctx context.Context, c Connection) (*Session, error) {
	session, err := s.verify(ctx, c)
	switch {
	case err == nil && session.by.serial != "":
		s.counts.certificates.Add(1)
	case err == nil:
		s.counts.passwords.Add(1)
	case shardlog.KindOf(err) == shardlog.Throttled:
		s.counts.throttled.Add(1)
	default:
		s.counts.refused.Add(1)
	}
	return session, err
}

func (s *Store) verify(ctx context.Context, c Connection) (*Session, error) {
	if c.ClientID != "" {
		if err := CheckClientID(c.ClientID); err != nil {
			return nil, denied("its client id is refused: %w", err)
		}
	}
	id, by, e, err := s.identify(ctx, c)
	if err != nil {
		return nil, err
	}
	if c.ClientID != "" && c.ClientID != id {
		return nil, denied("device %s connects with the client id %.80q: it must be the device's id", id, c.ClientID)
	}
	session := s.begin(id, by, e)
	if s.refresh(ctx, session); session.over() { // it was changed meanwhile
		session.Close()
		return nil, denied("device %s was changed while it connected", id)
	}
	return session, nil
}

// identify finds the device and the credential that lets it in.
func (s *Store) identify(ctx context.Context, c Connection) (id string, by credential, e *entry, err error) {
	if len(c.Certificates) > 0 {
		signed, err := s.signed(ctx, c.Certificates[0])
		if err != nil {
			return "", by, nil, err
		}
		if signed || c.Username == "" {
			return s.byCertificate(ctx, c, signed)
		}
	}
	if !IsDeviceID(c.Username) {
		return "", by, nil, denied("%.80q is the id of no device", c.Username)
	}
	if e, err = s.admissible(ctx, c.Username); err != nil {
		return "", by, nil, err
	}
	if len(c.Password) == 0 || len(c.Password) > MaxPassword || len(e.row.Passwords) == 0 {
		return "", by, nil, denied("device %s showed no password that could be its", c.Username)
	}
	at, err := s.hasher.check(ctx, c.Username, e.row.Passwords, c.Password)
	if err != nil {
		return "", by, nil, err
	}
	if at < 0 {
		return "", by, nil, denied("device %s showed a wrong password", c.Username)
	}
	by.password = e.row.Passwords[at]
	if at > 0 {
		s.owe(c.Username, by)
	}
	return c.Username, by, e, nil
}

// admissible is a device that may connect if it can prove who it is.
func (s *Store) admissible(ctx context.Context, id string) (*entry, error) {
	e, err := s.load(ctx, id)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return nil, denied("%s is no device here", id)
		}
		return nil, err
	}
	if e.row.State != Active {
		return nil, denied("device %s is %s", id, e.row.State)
	}
	return e, nil
}

func (s *Store) byCertificate(ctx context.Context, c Connection, signed bool) (string, credential, *entry, error) {
	var by credential
	if !signed {
		return "", by, nil, denied("its certificate was not signed by this site for a device")
	}
	leaf := c.Certificates[0]
	id := leaf.Subject.CommonName
	if c.Username != "" && c.Username != id {
		return "", by, nil, denied("the certificate is device %s's, the username says %.80q", id, c.Username)
	}
	e, at, err := s.holder(ctx, leaf)
	if err != nil {
		return "", by, nil, err
	}
	p := e.row.Certificates[at]
	if err := s.inTime(leaf, p.Ends, 0); err != nil {
		return "", by, nil, err
	}
	by.serial = p.Serial
	if _, trusted := s.clock(); at > 0 || trusted && p.Ends.IsZero() {
		s.owe(id, by)
	}
	return id, by, e, nil
}

// holder is the device that a signed certificate is on the name of, and which
// of the device's certificates it is.
func (s *Store) holder(ctx context.Context, leaf *x509.Certificate) (*entry, int, error) {
	id, serial := leaf.Subject.CommonName, serialOf(leaf)
	if !IsDeviceID(id) {
		return nil, 0, denied("its certificate names no device")
	}
	switch gone, err := s.revoked(ctx, serial); {
	case err != nil:
		return nil, 0, err
	case gone:
		return nil, 0, denied("the certificate %s of device %s is revoked", serial, id)
	}
	e, err := s.admissible(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	at := slices.IndexFunc(e.row.Certificates, func(p paper) bool {
		return p.Serial == serial && p.Fingerprint == fingerprintOf(leaf.RawSubjectPublicKeyInfo)
	})
	if at < 0 {
		return nil, 0, denied("device %s has a newer certificate than %s", id, serial)
	}
	return e, at, nil
}

// clockSlack is how much clocks may differ.
const clockSlack = 5 * time.Minute

// inTime judges the dates of a certificate. When the clock is trusted, by the
// clock. When it is not, only one thing is known: what ended before a time that
// has surely been has ended.
func (s *Store) inTime(leaf *x509.Certificate, ends time.Time, grace time.Duration) error {
	now, trusted := s.clock()
	if end := leaf.NotAfter; ends.IsZero() || end.Before(ends) {
		ends = end
	}
	if now.After(ends.Add(clockSlack + grace)) {
		return denied("the certificate of device %s ended on %s: it has to renew it or to be claimed again", leaf.Subject.CommonName, ends.Format(time.DateOnly))
	}
	if trusted && now.Before(leaf.NotBefore.Add(-clockSlack)) {
		return denied("the certificate of device %s begins on %s", leaf.Subject.CommonName, leaf.NotBefore.Format(time.DateOnly))
	}
	return nil
}

func serialOf(leaf *x509.Certificate) string { return leaf.SerialNumber.Text(16) }

// fingerprintOf is the SHA-256 of a public key (PKIX).
func fingerprintOf(publicKey []byte) string {
	sum := sha256.Sum256(publicKey)
	return hex.EncodeToString(sum[:])
}

func denied(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Denied, "verify device", format, args...)
}
