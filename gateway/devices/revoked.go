package devices

import (
	"context"
	"encoding/json"
	"time"

	"headgate/shardlog"
)

// Revocation is a certificate that nobody accepts any more.
type Revocation struct {
	Serial  string    `json:"serial"`
	Device  string    `json:"device"`
	Revoked time.Time `json:"revoked,omitzero"`
	Ends    time.Time `json:"ends,omitzero"` // of the certificate; zero is unknown
}

// Revocations are the certificates that were revoked and have not long ended,
// in order of their serials.
func (s *Store) Revocations(ctx context.Context) []Revocation {
	all := []Revocation{}
	for serial, text := range s.c.States.List(ctx, revokedSpace, "") {
		v := Revocation{}
		_ = json.Unmarshal(text, &v) // the serial says enough
		v.Serial = serial
		all = append(all, v)
	}
	return all
}

// revoked reports whether a certificate is on the list.
func (s *Store) revoked(ctx context.Context, serial string) (bool, error) {
	_, _, err := s.c.States.Get(ctx, revokedSpace, serial)
	if err != nil && shardlog.KindOf(err) == shardlog.NotFound {
		return false, nil
	}
	return err == nil, err
}

// A certificate stays on the list so long after its end: for clocks that err,
// and because it could renew itself for a while.
const keepRevoked = 365 * 24 * time.Hour

// mostPruned bounds what one change takes off the list.
const mostPruned = 16

// revocations are the mutations that put certificates on the list, and some
// that take off it what ended long ago.
func (s *Store) revocations(ctx context.Context, id string, papers []paper) (with []shardlog.Mutation) {
	now, trusted := s.clock()
	listed := map[string]bool{}
	for _, p := range papers {
		v := Revocation{Serial: p.Serial, Device: id, Revoked: now.Truncate(time.Second), Ends: p.Ends}
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // strings and times
		}
		listed[p.Serial] = true
		with = append(with, shardlog.Mutation{Space: revokedSpace, Key: p.Serial, Value: text})
	}
	if len(papers) == 0 || !trusted {
		return with
	}
	for _, v := range s.Revocations(ctx) {
		if len(with) == len(papers)+mostPruned {
			break
		}
		if !listed[v.Serial] && !v.Ends.IsZero() && now.After(v.Ends.Add(keepRevoked)) {
			with = append(with, shardlog.Mutation{Space: revokedSpace, Key: v.Serial})
		}
	}
	return with
}
