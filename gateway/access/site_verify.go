package access

import (
	"crypto/x509"
	"time"

	"headgate/shardlog"
)

// tolerance is how long after its end a peer's certificate is still believed.
const tolerance = 180 * 24 * time.Hour

// Verify is the id of the gateway that showed these certificates, its own
// first: they are what its TLS connection gave. Kind Denied when they are not
// a gateway's of this site, or ended too long ago. Whether the gateway was
// removed meanwhile is not in the papers.
//
// Time is judged mildly, because either box may have booted with a wrong
// clock, and may not be able to set it before it has reached its peers. When a
// certificate begins says nothing then, so it is not judged at all: a box
// without a clock starts in 1970. Its end is: that is what makes a stolen one
// worthless some day. But a box that was switched off for months must come
// back by itself, and renews its certificate once it is up. The authority's
// own dates are not judged: the site trusts exactly this certificate, and
// would be dead for good when it ends.
func (s *Site) Verify(now time.Time, raw [][]byte) (id string, err error) {
	if len(raw) == 0 {
		return "", denied("no certificate was shown")
	}
	leaf, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return "", denied("its certificate cannot be read: %w", err)
	}
	if id, err = s.check(leaf); err != nil {
		return "", err
	}
	if now.After(leaf.NotAfter.Add(tolerance)) {
		return "", denied("the certificate of gateway %s ended on %s, more than %d days before %s: one of the two clocks is wrong, or it has to join again",
			id, leaf.NotAfter.Format(time.DateOnly), int(tolerance.Hours()/24), now.Format(time.DateOnly))
	}
	return id, nil
}

// check verifies all of a gateway's certificate but its time.
func (s *Site) check(leaf *x509.Certificate) (id string, err error) {
	if err := leaf.CheckSignatureFrom(s.authority); err != nil {
		return "", denied("its certificate is not of this site: %w", err)
	}
	site, id := gatewayOf(leaf)
	if site != s.id || id == "" || leaf.IsCA || len(leaf.UnhandledCriticalExtensions) > 0 {
		return "", denied("its certificate is not a gateway's of this site")
	}
	return id, nil
}

func denied(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Denied, "verify gateway", format, args...)
}
