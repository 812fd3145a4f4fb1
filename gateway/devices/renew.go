package devices

import (
	"context"
	"crypto/x509"

	"headgate/shardlog"
)

// Renew signs a new certificate for a device that shows one of its present
// ones, as its TLS connection gave them, its own first; csr is a PKCS #10
// request on the device's name or on none, PEM or DER. The present certificate
// is good until the new one was used to connect; a new one whose answer was
// lost is replaced. One that has ended still renews itself for RenewGrace.
//
// Kinds: Invalid for the request; Denied for the certificate; Corrupt when the
// authority's key cannot be opened; Conflict and those of the state.
func (s *Store) Renew(ctx context.Context, certificates []*x509.Certificate, csr []byte) (Issued, error) {
	if len(certificates) == 0 {
		return Issued{}, denied("no certificate was shown")
	}
	leaf := certificates[0]
	signed, err := s.signed(ctx, leaf)
	if err != nil {
		return Issued{}, err
	}
	if !signed {
		return Issued{}, denied("its certificate was not signed by this site for a device")
	}
	id := leaf.Subject.CommonName
	r, err := parseRequest(csr)
	if err != nil {
		return Issued{}, err
	}
	if r.name != "" && r.name != id {
		return Issued{}, badRequest("it is on the name of %s, the certificate is device %s's", r.name, id)
	}
	all, err := s.needAuthorities(ctx)
	if err != nil {
		return Issued{}, err
	}
	issued, p, err := s.issue(all, id, r)
	if err != nil {
		return Issued{}, err
	}
	err = retry(ctx, func() error {
		e, at, err := s.holder(ctx, leaf)
		if err != nil {
			return err
		}
		if err := s.inTime(leaf, e.row.Certificates[at].Ends, s.c.RenewGrace); err != nil {
			return err
		}
		next := e.row.clone()
		s.used(&next, credential{serial: serialOf(leaf)}) // it was, just now
		next.add(p)
		return s.c.States.Mutate(ctx, shardlog.Mutation{Space: deviceSpace, Key: id, Value: next.text(), Expect: shardlog.At(e.version)}, mark())
	})
	s.recheck(ctx, id)
	if err != nil {
		return Issued{}, err
	}
	s.counts.issued.Add(1)
	return issued, nil
}
