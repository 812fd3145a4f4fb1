package access

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"headgate/shardlog"
)

// Papers are what a member hands to a newcomer, once, over a connection that
// the newcomer has checked. They hold the authority's key and print without it.
type Papers struct {
	Site         string
	Certificate  []byte // the newcomer's, DER
	Authority    []byte // DER
	AuthorityKey []byte // PKCS #8
}

// String is the papers without the key.
func (p Papers) String() string { return "papers of site " + p.Site }

// GoString is the papers without the key.
func (p Papers) GoString() string { return "access.Papers{" + p.String() + "}" }

// LogValue is the papers without the key.
func (p Papers) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Format prints the papers without the key, whatever the verb.
func (p Papers) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// Admit makes the papers of a newcomer, who has the key that belongs to
// publicKey (PKIX). Whether it may come in is the caller's to know. Kinds:
// Invalid for an id or key that cannot be used; Corrupt when this member has
// lost the authority's key, so that another one must be asked.
func (s *Site) Admit(gatewayID string, publicKey []byte, now time.Time) (Papers, error) {
	if err := checkGatewayID("admit gateway", gatewayID); err != nil {
		return Papers{}, err
	}
	any, err := x509.ParsePKIXPublicKey(publicKey)
	if err != nil {
		return Papers{}, shardlog.Errorf(shardlog.Invalid, "admit gateway", "its key cannot be read: %w", err)
	}
	public, ok := any.(ed25519.PublicKey)
	if !ok {
		return Papers{}, shardlog.Errorf(shardlog.Invalid, "admit gateway", "its key is no Ed25519 key")
	}
	raw, err := s.issue(gatewayID, public, now)
	if err != nil {
		return Papers{}, fmt.Errorf("admit gateway: %w", err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return Papers{}, fmt.Errorf("admit gateway: %w", err)
	}
	return Papers{Site: s.id, Certificate: raw, Authority: s.authority.Raw, AuthorityKey: key}, nil
}

// Newcomer is a gateway that asks to be let in. Its key never leaves it.
type Newcomer struct {
	id  string
	key ed25519.PrivateKey
}

// NewNewcomer makes the key of a gateway that has no papers yet. Kind Invalid
// for an id that IsGatewayID does not allow.
func NewNewcomer(gatewayID string) (*Newcomer, error) {
	if err := checkGatewayID("ask to be let in", gatewayID); err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("ask to be let in: %w", err)
	}
	return &Newcomer{id: gatewayID, key: key}, nil
}

// PublicKey is what a member needs to Admit the newcomer (PKIX).
func (n *Newcomer) PublicKey() []byte {
	raw, err := x509.MarshalPKIXPublicKey(n.key.Public())
	if err != nil {
		panic(err) // every Ed25519 key has this form
	}
	return raw
}

// Format prints the newcomer without its key, whatever the verb.
func (n *Newcomer) Format(f fmt.State, _ rune) { fmt.Fprint(f, "newcomer "+n.id) }

// LogValue is the newcomer without its key.
func (n *Newcomer) LogValue() slog.Value { return slog.StringValue("newcomer " + n.id) }

// Enter checks the papers, that they are of the authority which the join code
// names, and writes them into the folder dir, as FoundSite does. Kinds: InUse
// when the folder is there; Corrupt for papers that do not hold together.
func (n *Newcomer) Enter(dir string, p Papers, authority Fingerprint) (*Site, error) {
	s, err := n.siteOf(dir, p)
	if err != nil {
		return nil, corrupt("enter site", err)
	}
	if s.Fingerprint() != authority {
		return nil, shardlog.Errorf(shardlog.Corrupt, "enter site", "the papers are of another site than the join code")
	}
	if err := s.makeFolder(); err != nil {
		return nil, fmt.Errorf("enter site: %w", err)
	}
	return s, nil
}

func (n *Newcomer) siteOf(dir string, p Papers) (*Site, error) {
	authority, err := x509.ParseCertificate(p.Authority)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority: %w", err)
	}
	s := &Site{dir: dir, id: siteOf(authority), authority: authority}
	if s.id == "" || s.id != p.Site {
		return nil, fmt.Errorf("the authority is not of site %.40q", p.Site)
	}
	key, err := x509.ParsePKCS8PrivateKey(p.AuthorityKey)
	if err != nil {
		return nil, fmt.Errorf("the key of the authority cannot be read")
	}
	var ok bool
	if s.key, ok = key.(ed25519.PrivateKey); !ok || !sameKey(authority, s.key.Public()) {
		return nil, fmt.Errorf("the key is not the authority's")
	}
	if s.own, err = ownOf(p.Certificate, p.Authority, n.key); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if s.gateway, err = s.check(s.own.Leaf); err != nil {
		return nil, err
	}
	if s.gateway != n.id || !sameKey(s.own.Leaf, n.key.Public()) {
		return nil, fmt.Errorf("the certificate is made out to somebody else")
	}
	return s, nil
}

func sameKey(c *x509.Certificate, key crypto.PublicKey) bool {
	public, ok := c.PublicKey.(ed25519.PublicKey)
	return ok && public.Equal(key)
}
