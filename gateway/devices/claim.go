package devices

import (
	"context"
	"slices"
	"strings"

	"headgate/shardlog"
)

// madeTail is how many characters an id that was made here has after its
// prefix: 60 bits of the hash of the device's key.
const madeTail = 12

// Claim enrols a device: it signs a certificate for the key of a certificate
// signing request, PKCS #10, PEM or DER, and makes the device when it is not
// there. Under a code for one device the request is on its name or on none; it
// may be there already, and gets the certificate beside what it has. Under a
// code for a batch the request's common name is the id of a device that is not
// there yet; without a common name the id is the batch's prefix and something
// that follows from the key.
//
// Who has lost the answer may send the same request again, as long as the code
// has not ended: the same key uses a code once.
//
// Kinds: Invalid for a code or a request that cannot be read; Denied for a code
// that is unknown, used up or not for this device; Expired; InUse for a device
// that is there already; Corrupt when the authority's key cannot be opened;
// Conflict and those of the state.
func (s *Store) Claim(ctx context.Context, code string, csr []byte) (Issued, error) {
	c, err := ParseCode(code)
	if err != nil {
		return Issued{}, err
	}
	hash := c.hash()
	if _, _, err := s.findClaim(ctx, hash); err != nil {
		return Issued{}, err // before work is done for a stranger
	}
	r, err := parseRequest(csr)
	if err != nil {
		return Issued{}, err
	}
	all, err := s.needAuthorities(ctx)
	if err != nil {
		return Issued{}, err
	}
	var issued Issued
	err = retry(ctx, func() error {
		issued, err = s.claim(ctx, all, hash, r)
		return err
	})
	if err != nil {
		return Issued{}, err
	}
	s.recheck(ctx, issued.Device)
	s.counts.issued.Add(1)
	return issued, nil
}

// claim is one try.
func (s *Store) claim(ctx context.Context, all *authorities, hash string, r request) (Issued, error) {
	claim, version, err := s.findClaim(ctx, hash)
	if err != nil {
		return Issued{}, err
	}
	id, err := claim.idFor(r)
	if err != nil {
		return Issued{}, err
	}
	next, expect := row{State: Active, Details: claim.Details, Created: s.stamp()}, shardlog.Absent()
	e, err := s.load(ctx, id)
	switch {
	case err == nil:
		next, expect = e.row.clone(), shardlog.At(e.version)
	case shardlog.KindOf(err) != shardlog.NotFound:
		return Issued{}, err
	}
	again := next.Claim == hash && slices.ContainsFunc(next.Certificates, func(p paper) bool { return p.Fingerprint == r.fingerprint })
	if err := claim.allow(id, next, e != nil, again); err != nil {
		return Issued{}, err
	}
	issued, p, err := s.issue(all, id, r)
	if err != nil {
		return Issued{}, err
	}
	next.add(p)
	next.Claim = hash
	with := []shardlog.Mutation{{Space: deviceSpace, Key: id, Value: next.text(), Expect: expect}, mark()}
	if !again {
		claim.Used++
		with = append(with, shardlog.Mutation{Space: claimSpace, Key: hash, Value: claim.text(), Expect: shardlog.At(version)})
	}
	return issued, s.c.States.Mutate(ctx, with...)
}

// allow reports whether the code enrols that device.
func (c Claim) allow(id string, r row, there, again bool) error {
	switch {
	case r.State == Revoked:
		return claimDenied("device %s is revoked for good", id)
	case again:
		return nil
	case c.Used >= c.Count:
		return claimDenied("the code is used up")
	case there && c.Device == "":
		return shardlog.Errorf(shardlog.InUse, "claim device", "there is a device %s already: a code for a batch makes new ones", id)
	}
	return nil
}

// idFor is the id that a request gets under the code.
func (c Claim) idFor(r request) (string, error) {
	id := r.name
	switch {
	case c.Device != "":
		if id != "" && id != c.Device {
			return "", claimDenied("the code is not for device %s", id)
		}
		return c.Device, nil
	case id == "":
		return c.Prefix + r.fingerprint[:madeTail], nil
	case !strings.HasPrefix(id, c.Prefix):
		return "", claimDenied("the code is for ids that begin with %s, not for %s", c.Prefix, id)
	}
	return id, nil
}

// findClaim is a code that has not ended; it may be used up.
func (s *Store) findClaim(ctx context.Context, hash string) (Claim, shardlog.Version, error) {
	text, version, err := s.c.States.Get(ctx, claimSpace, hash)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return Claim{}, 0, claimDenied("the code is not known here")
		}
		return Claim{}, 0, err
	}
	c, err := parseClaim(hash, text)
	if err != nil {
		return Claim{}, 0, err
	}
	if now, _ := s.clock(); now.After(c.Ends) {
		return Claim{}, 0, shardlog.Errorf(shardlog.Expired, "claim device", "the code ended on %s: make another", c.Ends.Format("2006-01-02 15:04 MST"))
	}
	return c, version, nil
}

func claimDenied(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Denied, "claim device", format, args...)
}
