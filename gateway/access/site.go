package access

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"headgate/shardlog"
)

// Site is the papers by which the gateways of one site know each other: the
// certificate and the key of the site's own authority, and the certificate of
// this gateway. Every member holds the authority's key, so that any of them
// lets newcomers in and each renews its own certificate without asking.
//
// A Site is safe for concurrent use. It prints without its keys.
type Site struct {
	dir       string
	id        string
	authority *x509.Certificate
	key       ed25519.PrivateKey // the authority's; nil when its file is damaged

	mu      sync.RWMutex     // guards the rest
	own     *tls.Certificate // never changed in place
	gateway string
	unsaved error     // why the present certificate is not in the folder
	retry   time.Time // when to try again to save it
}

// FoundSite makes the papers of a new site, with this gateway as its only
// member, in the folder dir, all at once: after a crash the folder is there
// whole or not at all. Kinds: InUse when the folder is there; Invalid for an
// id that IsGatewayID does not allow.
func FoundSite(dir, gatewayID string, now time.Time) (*Site, error) {
	if err := checkGatewayID("found site", gatewayID); err != nil {
		return nil, err
	}
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("found site: %w", err)
	}
	authority, err := newAuthority(strings.ToLower(rand.Text()), public, key, now)
	if err != nil {
		return nil, fmt.Errorf("found site: %w", err)
	}
	s := &Site{dir: dir, id: siteOf(authority), authority: authority, key: key}
	if s.own, err = s.newOwn(gatewayID, now); err != nil {
		return nil, fmt.Errorf("found site: %w", err)
	}
	s.gateway = gatewayID
	if err := s.makeFolder(); err != nil {
		return nil, fmt.Errorf("found site: %w", err)
	}
	return s, nil
}

// OpenSite reads the papers in the folder dir, and takes them away from
// everybody but their owner. Without the authority's key a Site works on until
// its certificate ends; Fault tells. Kinds: NotFound when there are none;
// Corrupt when a certificate cannot be read (RepairSite may help).
func OpenSite(dir string) (*Site, error) {
	s, err := openAuthority(dir)
	if err != nil {
		return nil, err
	}
	if s.own, err = readOwn(dir); err != nil {
		return nil, corrupt("open site", err)
	}
	if s.gateway, err = s.check(s.own.Leaf); err != nil {
		return nil, corrupt("open site", err)
	}
	return s, nil
}

// RepairSite opens papers of which this gateway's own are lost or damaged: it
// writes new ones, and keeps what was there beside them under ".broken".
// Kinds as OpenSite; Corrupt when the authority's papers are damaged too.
func RepairSite(dir, gatewayID string, now time.Time) (*Site, error) {
	if err := checkGatewayID("repair site", gatewayID); err != nil {
		return nil, err
	}
	s, err := openAuthority(dir)
	if err != nil {
		return nil, err
	}
	if err := setAside(dir, ownFile); err != nil {
		return nil, fmt.Errorf("repair site: %w", err)
	}
	if err := s.Adopt(gatewayID, now); err != nil {
		return nil, fmt.Errorf("repair site: %w", err)
	}
	return s, nil
}

// openAuthority reads what is the site's, not the gateway's.
func openAuthority(dir string) (*Site, error) {
	if err := ownersOnly(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, shardlog.Errorf(shardlog.NotFound, "open site", "there are no papers in %s", dir)
		}
		return nil, fmt.Errorf("open site: %w", err)
	}
	authority, err := readCertificate(dir, authorityFile)
	if err != nil {
		return nil, corrupt("open site", err)
	}
	s := &Site{dir: dir, id: siteOf(authority), authority: authority}
	if s.id == "" || !authority.IsCA {
		return nil, shardlog.Errorf(shardlog.Corrupt, "open site", "%s is no authority of a site", authorityFile)
	}
	if s.key, err = readAuthorityKey(dir, authority); err != nil {
		s.unsaved = fmt.Errorf("read key of the site's authority: %w", err)
	}
	return s, nil
}

// ID is the site's id, random and the same for all of its gateways.
func (s *Site) ID() string { return s.id }

// Gateway is the id of this gateway.
func (s *Site) Gateway() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.gateway
}

// Fault says what is wrong with the papers although they can be used: the
// authority's key cannot be read, or a renewed certificate could not be
// written. Nil when nothing is.
func (s *Site) Fault() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.unsaved
}

// String is the site without its keys.
func (s *Site) String() string { return "site " + s.id + ", gateway " + s.Gateway() }

// GoString is the site without its keys.
func (s *Site) GoString() string { return "access.Site{" + s.String() + "}" }

// LogValue is the site without its keys.
func (s *Site) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Format prints the site without its keys, whatever the verb.
func (s *Site) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }
