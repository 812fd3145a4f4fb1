package devices

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"headgate/shardlog"
)

// The device authority signs the certificates of devices. It is not the
// authority of the site's gateways: a device's certificate can never pass for
// a gateway's. Its row holds, newest first,
//
//	{"authorities": [{"certificate": DER in base64, "sealed": the sealed key}]}
//
// The newest signs, all of them are believed. The keys are ECDSA P-256: small
// TLS libraries know no Ed25519, and some read no certificate that is signed so.
type authorityRow struct {
	Authorities []authorityText `json:"authorities"`
}

type authorityText struct {
	Certificate []byte `json:"certificate"`
	Sealed      string `json:"sealed"` // the base64 form of the private scalar, 32 bytes
}

// authorities are the row as it is worked with. They do not change.
type authorities struct {
	row  authorityRow
	list []authority
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey // nil: it cannot be opened
	stale       bool              // an older seal has sealed it
}

// mostAuthorities are believed at once.
const mostAuthorities = 4

// An authority's dates are not judged, since the site believes exactly its
// certificate and would be dead for its devices when it ended; so it has all
// the time there is (RFC 5280, 4.1.2.5). Nor can a box without a clock say when
// it began.
func ages() (from, to time.Time) {
	return time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
}

// loadAuthorities are those that there are, and the version of their row.
// Kinds: NotFound, Corrupt.
func (s *Store) loadAuthorities(ctx context.Context) (*authorities, shardlog.Version, error) {
	text, version, err := s.c.States.Get(ctx, authoritySpace, authorityKey)
	if err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	all, at := s.ca, s.caAt
	s.mu.Unlock()
	if all != nil && at == version {
		return all, version, nil
	}
	if all, err = s.parseAuthorities(text); err != nil {
		return nil, version, shardlog.Errorf(shardlog.Corrupt, "read device authority", "%w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.caAt < version {
		s.ca, s.caAt = all, version
	}
	return all, version, nil
}

func (s *Store) parseAuthorities(text []byte) (*authorities, error) {
	var all authorities
	if err := json.Unmarshal(text, &all.row); err != nil {
		return nil, err
	}
	for _, a := range all.row.Authorities {
		certificate, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, err
		}
		one := authority{certificate: certificate}
		if secret, current, ok := s.c.Seals.OpenSecret(sealName(certificate), a.Sealed); ok {
			if one.key, err = parseScalar(secret, certificate); err == nil { // else it can still be believed
				one.stale = !current
			}
		}
		all.list = append(all.list, one)
	}
	if len(all.list) == 0 {
		return nil, fmt.Errorf("there is none")
	}
	return &all, nil
}

func parseScalar(secret string, certificate *x509.Certificate) (*ecdsa.PrivateKey, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(secret)
	if err != nil {
		return nil, fmt.Errorf("its key cannot be read")
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil || !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, fmt.Errorf("its key is another's")
	}
	return key, nil
}

// sealName is what the key of an authority is sealed under.
func sealName(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return "device-authority-" + hex.EncodeToString(sum[:8])
}

func (s *Store) newAuthority() (authorityText, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authorityText{}, err
	}
	from, to := ages()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Headgate devices " + strings.ToLower(rand.Text()[:8])},
		NotBefore:             from,
		NotAfter:              to,
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authorityText{}, err
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return authorityText{}, err
	}
	scalar, err := key.Bytes()
	if err != nil {
		return authorityText{}, err
	}
	return authorityText{Certificate: raw, Sealed: s.c.Seals.SealSecret(sealName(certificate), base64.StdEncoding.EncodeToString(scalar))}, nil
}

// needAuthorities are those that there are; the first is made when there is none.
func (s *Store) needAuthorities(ctx context.Context) (all *authorities, err error) {
	err = retry(ctx, func() error {
		var version shardlog.Version
		all, version, err = s.loadAuthorities(ctx)
		switch {
		case err == nil && !all.list[0].stale:
			return nil
		case err == nil:
			return s.reseal(ctx, all, version)
		case shardlog.KindOf(err) != shardlog.NotFound:
			return err
		}
		one, err := s.newAuthority()
		if err != nil {
			return err
		}
		if err := s.writeAuthorities(ctx, authorityRow{[]authorityText{one}}, shardlog.Absent()); err != nil {
			return err
		}
		all, _, err = s.loadAuthorities(ctx)
		return err
	})
	return all, err
}

// reseal has the newest seal seal what older ones have, so that those can be
// thrown away. It need not work.
func (s *Store) reseal(ctx context.Context, all *authorities, version shardlog.Version) error {
	row := authorityRow{slices.Clone(all.row.Authorities)}
	for i, a := range all.list {
		if !a.stale {
			continue
		}
		scalar, err := a.key.Bytes()
		if err != nil {
			return err
		}
		row.Authorities[i].Sealed = s.c.Seals.SealSecret(sealName(a.certificate), base64.StdEncoding.EncodeToString(scalar))
	}
	_ = s.writeAuthorities(ctx, row, shardlog.At(version)) // the next one who signs tries again
	return nil
}

func (s *Store) writeAuthorities(ctx context.Context, row authorityRow, expect shardlog.Expect) error {
	text, err := json.Marshal(row)
	if err != nil {
		panic(err) // bytes and strings
	}
	return s.c.States.Mutate(ctx, shardlog.Mutation{Space: authoritySpace, Key: authorityKey, Value: text, Expect: expect}, mark())
}

// RenewAuthority makes a new authority that signs from now on: because the
// seal of the old one is lost, or its key may be known to others. The older
// ones are still believed, the last three of them; with forget none is, and
// every device has to be claimed again. Kinds of the state; Conflict.
func (s *Store) RenewAuthority(ctx context.Context, forget bool) error {
	return retry(ctx, func() error {
		all, version, err := s.loadAuthorities(ctx)
		if err != nil && (shardlog.KindOf(err) == shardlog.NotFound || shardlog.KindOf(err) == shardlog.Corrupt) {
			all, err = &authorities{}, nil
		}
		if err != nil {
			return err
		}
		one, err := s.newAuthority()
		if err != nil {
			return err
		}
		row := authorityRow{[]authorityText{one}}
		if !forget {
			row.Authorities = append(row.Authorities, all.row.Authorities...)
		}
		row.Authorities = row.Authorities[:min(len(row.Authorities), mostAuthorities)]
		return s.writeAuthorities(ctx, row, shardlog.At(version))
	})
}

// signed reports whether one of the authorities has signed a certificate, as a
// client's.
func (s *Store) signed(ctx context.Context, leaf *x509.Certificate) (bool, error) {
	all, _, err := s.loadAuthorities(ctx)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return false, nil
		}
		return false, err
	}
	if leaf.IsCA || len(leaf.UnhandledCriticalExtensions) > 0 || !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return false, nil
	}
	return slices.ContainsFunc(all.list, func(a authority) bool { return leaf.CheckSignatureFrom(a.certificate) == nil }), nil
}
