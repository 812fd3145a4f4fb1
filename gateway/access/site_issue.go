package access

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"
	"strings"
	"time"

	"headgate/shardlog"
)

// The keys are Ed25519: small, and fast without assembly, which 32-bit ARM has
// for no curve.

const (
	authorityLife = 20 * 365 * 24 * time.Hour
	ownLife       = 365 * 24 * time.Hour
	scheme        = "headgate"
)

// newAuthority is the certificate of a new site. Its URI is headgate://SITE.
func newAuthority(site string, public ed25519.PublicKey, key ed25519.PrivateKey, now time.Time) (*x509.Certificate, error) {
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Headgate site " + site},
		URIs:                  []*url.URL{{Scheme: scheme, Host: site}},
		NotBefore:             now,
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "Headgate site " + site}}, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw)
}

// issue makes a gateway's certificate. Its URI is headgate://SITE/gateway/ID.
func (s *Site) issue(id string, public crypto.PublicKey, now time.Time) ([]byte, error) {
	if s.key == nil {
		return nil, shardlog.Errorf(shardlog.Corrupt, "issue certificate", "the key of the site's authority cannot be read")
	}
	return x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject:               pkix.Name{CommonName: id},
		URIs:                  []*url.URL{{Scheme: scheme, Host: s.id, Path: "/gateway/" + id}},
		NotBefore:             now,
		NotAfter:              now.Add(ownLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}, s.authority, public, s.key)
}

// newOwn makes a certificate with a new key for a gateway. The authority's
// goes with it: a newcomer has no other way to see whom it talks to.
func (s *Site) newOwn(id string, now time.Time) (*tls.Certificate, error) {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	raw, err := s.issue(id, public, now)
	if err != nil {
		return nil, err
	}
	return ownOf(raw, s.authority.Raw, key)
}

func ownOf(raw, authority []byte, key ed25519.PrivateKey) (*tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{raw, authority}, PrivateKey: key, Leaf: leaf}, nil
}

// Fingerprint is the first half of the SHA-256 of an authority's certificate:
// to make another certificate with the same takes 2^128 attempts.
type Fingerprint [16]byte

// String is the fingerprint in hexadecimal digits.
func (f Fingerprint) String() string { return fmt.Sprintf("%x", f[:]) }

// Fingerprint is the one of the site's authority.
func (s *Site) Fingerprint() Fingerprint {
	sum := sha256.Sum256(s.authority.Raw)
	return Fingerprint(sum[:16])
}

// siteOf is the site whose authority the certificate is, "" for none.
func siteOf(authority *x509.Certificate) string {
	if len(authority.URIs) != 1 {
		return ""
	}
	u := authority.URIs[0]
	if u.Scheme != scheme || u.Path != "" || !IsGatewayID(u.Host) {
		return ""
	}
	return u.Host
}

// gatewayOf is the site and the gateway that a certificate names, "" for none.
func gatewayOf(leaf *x509.Certificate) (site, id string) {
	if len(leaf.URIs) != 1 {
		return "", ""
	}
	u := leaf.URIs[0]
	id, ok := strings.CutPrefix(u.Path, "/gateway/")
	if !ok || u.Scheme != scheme || !IsGatewayID(id) {
		return "", ""
	}
	return u.Host, id
}

// IsGatewayID reports whether a gateway may have that id: 1 to 64 letters,
// digits, dots, dashes and underscores.
func IsGatewayID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

func checkGatewayID(op, id string) error {
	if !IsGatewayID(id) {
		return shardlog.Errorf(shardlog.Invalid, op, "%.80q cannot be the id of a gateway", id)
	}
	return nil
}
