package devices

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"headgate/shardlog"
)

// row is a device as it lies in the state. Of each kind of credential there
// are at most two: the one in use, and one behind it that was not used yet and
// takes its place when it is.
type row struct {
	State State `json:"state"`
	Details
	Created      time.Time `json:"created,omitzero"`
	Passwords    []string  `json:"passwords,omitempty"` // as password.go writes them
	Certificates []paper   `json:"certificates,omitempty"`
	// Claim is the hash of the code by which the device was enrolled last: who
	// has the code and the same key may ask again.
	Claim string `json:"claim,omitempty"`
}

// paper is a certificate in a row. Ends, not the certificate, says until when
// it is good; zero while the clock was not trusted when it was signed.
type paper struct {
	Serial      string    `json:"serial"`
	Fingerprint string    `json:"fingerprint"`
	Issued      time.Time `json:"issued,omitzero"`
	Ends        time.Time `json:"ends,omitzero"`
}

// most of a kind of credential.
const most = 2

// parseRow reads a row in full: of a device that is understood in part,
// something that it may not do might be lost.
func parseRow(text []byte) (row, error) {
	var r row
	if err := json.Unmarshal(text, &r); err != nil {
		return row{}, err
	}
	if r.State != Active && r.State != Disabled && r.State != Revoked {
		return row{}, errors.New("its state is unknown")
	}
	if len(r.Passwords) > most || len(r.Certificates) > most {
		return row{}, errors.New("it has too many credentials")
	}
	if err := r.check("read device"); err != nil {
		return row{}, err
	}
	return r, nil
}

func (r row) text() []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and times of our own
	}
	return text
}

func (r row) clone() row {
	r.Details = r.Details.clone()
	r.Passwords, r.Certificates = slices.Clone(r.Passwords), slices.Clone(r.Certificates)
	return r
}

// shown is the device as its owner sees it.
func (r row) shown(id string) Device {
	r = r.clone()
	d := Device{ID: id, State: r.State, Groups: r.Groups, Attributes: r.Attributes, Created: r.Created, Passwords: len(r.Passwords)}
	for i, p := range r.Certificates {
		d.Certificates = append(d.Certificates, Certificate{Serial: p.Serial, Fingerprint: p.Fingerprint, Issued: p.Issued, NotAfter: p.Ends, Waiting: i > 0})
	}
	return d
}

// credential says by what a device was let in: one of its passwords, as its
// row has it, or the serial of one of its certificates.
type credential struct{ password, serial string }

// holds reports whether the credential is the row's, and which of its kind.
func (r row) holds(c credential) (at int, ok bool) {
	if c.serial != "" {
		at = slices.IndexFunc(r.Certificates, func(p paper) bool { return p.Serial == c.serial })
	} else {
		at = slices.Index(r.Passwords, c.password)
	}
	return at, at >= 0
}

// load is a device as of now, from memory when its row has not changed. Kinds:
// NotFound; Corrupt for a row that cannot be understood.
func (s *Store) load(ctx context.Context, id string) (*entry, error) {
	text, version, err := s.c.States.Get(ctx, deviceSpace, id)
	if err != nil {
		if shardlog.KindOf(err) == shardlog.NotFound {
			return nil, shardlog.Errorf(shardlog.NotFound, "find device", "%.80q is no device here", id)
		}
		return nil, err
	}
	s.mu.Lock()
	e, ok := s.parsed.get(id)
	s.mu.Unlock()
	if ok && e.version == version {
		return e, nil
	}
	r, err := parseRow(text)
	if err != nil {
		s.counts.damaged.Add(1)
		return nil, shardlog.Errorf(shardlog.Corrupt, "read device", "%s: its row cannot be understood (delete it and create it anew): %w", id, err)
	}
	e = &entry{version: version, row: r, acl: s.rules.of(id, r.Details)}
	s.mu.Lock()
	if now, ok := s.parsed.get(id); !ok || now.version < version {
		s.parsed.put(id, e)
	}
	s.mu.Unlock()
	return e, nil
}
