// Package devices knows the devices of a site: who they are, by which
// passwords and client certificates they are known, how they are enrolled, and
// which topics they may use. All of it is rows of the site's small replicated
// state, so that every gateway answers alike. It does not know MQTT's packets,
// any broker, nor the network.
package devices

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"headgate/shardlog"
)

// Seals seal the key of the device authority while it lies in the state. What
// is sealed under an id opens only under that id. A secret is 44 printable
// characters. Every gateway of the site must have the same Seals.
type Seals interface {
	// SealSecret encrypts with the newest seal.
	SealSecret(id, secret string) (sealed string)
	// OpenSecret decrypts; current says that the newest seal had sealed it.
	OpenSecret(id, sealed string) (secret string, current, ok bool)
}

// Config is what a Store is made of. States and Seals are needed.
type Config struct {
	States shardlog.States
	Seals  Seals

	// Rules say which topics devices may use; nil is DefaultRules.
	Rules []Rule
	// TopicBytes and TopicLevels bound topics and filters; zero is 256 bytes
	// and 16 levels.
	TopicBytes, TopicLevels int

	// Now is the wall clock, nil for time.Now. Trusted reports whether it is
	// near the truth; nil is always. While it is not, times are judged by
	// Latest, the latest time that is known to have been; nil knows none.
	Now     func() time.Time
	Trusted func() bool
	Latest  func() time.Time

	// CertificateLife is how long a device's certificate is good; zero is 90
	// days. RenewGrace is how long after its end it still renews itself; zero
	// is 30 days, negative is none.
	CertificateLife, RenewGrace time.Duration

	// Hashes is how many passwords are hashed at once, 19 MiB each; zero is 2.
	// Waiting is how many connections wait for their turn; zero is 64.
	Hashes, Waiting int
}

// Defaults of a Config.
const (
	defaultTopicBytes      = 256
	defaultTopicLevels     = 16
	defaultCertificateLife = 90 * 24 * time.Hour
	defaultRenewGrace      = 30 * 24 * time.Hour
	defaultHashes          = 2
	defaultWaiting         = 64
)

// Bounds of what is kept in memory for speed.
const (
	keptDevices = 4096 // rows as they were parsed last, twice
	keptHeld    = 8192 // settled promotions that wait for Run
)

// The spaces of the site's state that belong to this package.
const (
	deviceSpace    shardlog.Space = "device"
	claimSpace     shardlog.Space = "device.claim"
	revokedSpace   shardlog.Space = "device.revoked"
	authoritySpace shardlog.Space = "device.authority"
	markSpace      shardlog.Space = "device.mark"

	authorityKey = "authority"
	markKey      = "devices"
)

// Store is the devices of a site, as this gateway knows them. It is safe for
// concurrent use. Every read looks at the state of this gateway, so that a
// change by another gateway counts as soon as it has arrived here; what a row
// means is worked out once for each of its versions.
type Store struct {
	c      Config
	rules  *rules
	hasher *hasher
	counts counts

	mu       sync.Mutex // guards the rest
	parsed   recent[string, *entry]
	sessions map[string][]*Session // by device
	open     int                   // sessions
	owed     map[string]credential // by device: who connected with what is new
	ca       *authorities          // of caAt
	caAt     shardlog.Version

	wake chan struct{} // Run has something to do
}

// entry is a device as of one version of its row. It does not change.
type entry struct {
	version shardlog.Version
	row     row
	acl     *ACL
}

// New makes a Store. Kind Invalid for rules that cannot be understood and for
// a Config that lacks something.
func New(c Config) (*Store, error) {
	if c.States == nil || c.Seals == nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open devices", "States and Seals are needed")
	}
	c.fill()
	if c.Rules == nil {
		c.Rules = DefaultRules()
	}
	compiled, err := compile(c.Rules, c.TopicBytes, c.TopicLevels)
	if err != nil {
		return nil, err
	}
	return &Store{
		c: c, rules: compiled, hasher: newHasher(c.Hashes, c.Waiting),
		parsed:   recent[string, *entry]{most: keptDevices},
		sessions: map[string][]*Session{}, owed: map[string]credential{},
		wake: make(chan struct{}, 1),
	}, nil
}

func (c *Config) fill() {
	orElse(&c.TopicBytes, defaultTopicBytes)
	orElse(&c.TopicLevels, defaultTopicLevels)
	orElse(&c.Hashes, defaultHashes)
	orElse(&c.Waiting, defaultWaiting)
	if c.CertificateLife <= 0 {
		c.CertificateLife = defaultCertificateLife
	}
	switch {
	case c.RenewGrace == 0:
		c.RenewGrace = defaultRenewGrace
	case c.RenewGrace < 0:
		c.RenewGrace = 0
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Trusted == nil {
		c.Trusted = func() bool { return true }
	}
	if c.Latest == nil {
		c.Latest = func() time.Time { return time.Time{} }
	}
}

func orElse(n *int, value int) {
	if *n <= 0 {
		*n = value
	}
}

// clock is the time to judge by, and whether it is the time of day or only one
// that is surely over.
func (s *Store) clock() (now time.Time, trusted bool) {
	if s.c.Trusted() {
		return s.c.Now().UTC(), true
	}
	return s.c.Latest().UTC(), false
}

// stamp is the time that is written down with a change.
func (s *Store) stamp() time.Time {
	now, _ := s.clock()
	return now.Truncate(time.Second)
}

// mark is the mutation that tells the other gateways of a change: they poll
// this one row.
func mark() shardlog.Mutation {
	return shardlog.Mutation{Space: markSpace, Key: markKey, Value: []byte(rand.Text())}
}

// counts are what a Store has done since its start.
type counts struct {
	passwords, certificates, refused, throttled atomic.Uint64
	issued, promoted, damaged                   atomic.Uint64
}

// Stats are counts since the start, and how it is now.
type Stats struct {
	ByPassword    uint64 `json:"byPassword"`    // connections let in
	ByCertificate uint64 `json:"byCertificate"` // connections let in
	Refused       uint64 `json:"refused"`
	Throttled     uint64 `json:"throttled"`
	Hashed        uint64 `json:"hashed"`   // passwords that cost 19 MiB
	Recalled      uint64 `json:"recalled"` // passwords that were known already
	Issued        uint64 `json:"issued"`   // certificates
	Promoted      uint64 `json:"promoted"` // credentials that took over from older ones
	Damaged       uint64 `json:"damaged"`  // times that a row could not be understood
	Sessions      int    `json:"sessions"`
	Waiting       int    `json:"waiting"` // for their password to be hashed
}

// Stats is what the Store has done and holds.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	sessions := s.open
	s.mu.Unlock()
	return Stats{
		ByPassword: s.counts.passwords.Load(), ByCertificate: s.counts.certificates.Load(),
		Refused: s.counts.refused.Load(), Throttled: s.counts.throttled.Load(),
		Hashed: s.hasher.hashed.Load(), Recalled: s.hasher.recalled.Load(),
		Issued: s.counts.issued.Load(), Promoted: s.counts.promoted.Load(), Damaged: s.counts.damaged.Load(),
		Sessions: sessions, Waiting: int(s.hasher.waiting.Load()),
	}
}

// Authorities are the certificates of those who may sign for devices, newest
// first, in DER; none before the first device was claimed. A TLS server names
// them to its clients, and asks for a certificate without judging it
// (tls.RequestClientCert): dates are judged by Verify, which knows how far the
// clock can be trusted. Kinds: Corrupt and those of the state.
func (s *Store) Authorities(ctx context.Context) ([][]byte, error) {
	all, _, err := s.loadAuthorities(ctx)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return nil, nil
		}
		return nil, err
	}
	var raw [][]byte
	for _, a := range all.list {
		raw = append(raw, a.certificate.Raw)
	}
	return raw, nil
}
