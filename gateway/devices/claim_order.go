package devices

import (
	"context"
	"encoding/json"
	"time"

	"headgate/shardlog"
)

// ClaimOrder says what a claim code is to be good for: for one Device, or for
// Count devices whose ids begin with Prefix.
type ClaimOrder struct {
	Device  string        // its id; it need not be there yet
	Prefix  string        // of a batch; with a Count
	Count   int           // of a batch, 1 to 100 000
	For     time.Duration // zero is 24 hours, the most is a year
	Details               // of devices that the code makes
}

// Claim is a claim code as its owner sees it: without the code.
type Claim struct {
	Name    string    `json:"name"` // see Code.Name
	Device  string    `json:"device,omitempty"`
	Prefix  string    `json:"prefix,omitempty"`
	Count   int       `json:"count"`
	Used    int       `json:"used"`
	Created time.Time `json:"created,omitzero"`
	Ends    time.Time `json:"ends,omitzero"`
	Details
}

const (
	mostCount    = 100_000
	mostClaims   = 1000
	defaultClaim = 24 * time.Hour
	longestClaim = 365 * 24 * time.Hour
	clearedAt    = 64 // ended codes that a new one takes away
)

func (o *ClaimOrder) check() error {
	const op = "make claim code"
	if o.For == 0 {
		o.For = defaultClaim
	}
	if o.For < 0 || o.For > longestClaim {
		return shardlog.Errorf(shardlog.Invalid, op, "a code is good for at most %d days", int(longestClaim.Hours()/24))
	}
	if o.Device != "" {
		if o.Prefix != "" || o.Count > 1 {
			return shardlog.Errorf(shardlog.Invalid, op, "a code is for one device or for a batch with a count")
		}
		o.Count = 1
		if err := checkID(op, o.Device); err != nil {
			return err
		}
		return o.Details.check(op)
	}
	if o.Count < 1 || o.Count > mostCount {
		return shardlog.Errorf(shardlog.Invalid, op, "say which device, or for how many the code is: 1 to %d", mostCount)
	}
	if o.Prefix != "" && !IsDeviceID(o.Prefix) || len(o.Prefix) > MaxID-madeTail {
		return shardlog.Errorf(shardlog.Invalid, op, "no id can begin with %.80q: use at most %d letters, digits and . _ - : @ ~", o.Prefix, MaxID-madeTail)
	}
	return o.Details.check(op)
}

// NewClaim makes a claim code. It can be read only now: what is kept of it is
// a hash. Kinds: Invalid; LimitExceeded for over 1000 codes; those of the
// state.
func (s *Store) NewClaim(ctx context.Context, o ClaimOrder) (Code, Claim, error) {
	if err := o.check(); err != nil {
		return Code{}, Claim{}, err
	}
	now, trusted := s.clock()
	with := []shardlog.Mutation{}
	open := 0
	for hash, c := range s.claims(ctx) {
		if trusted && now.After(c.Ends) && len(with) < clearedAt {
			with = append(with, shardlog.Mutation{Space: claimSpace, Key: hash})
			continue
		}
		if open++; open >= mostClaims {
			return Code{}, Claim{}, shardlog.Errorf(shardlog.LimitExceeded, "make claim code", "there are %d codes already: delete some", open)
		}
	}
	code, at := newCode(), now.Truncate(time.Second)
	claim := Claim{Name: code.Name(), Device: o.Device, Prefix: o.Prefix, Count: o.Count, Created: at, Ends: at.Add(o.For), Details: o.Details.clone()}
	with = append(with, shardlog.Mutation{Space: claimSpace, Key: code.hash(), Value: claim.text(), Expect: shardlog.Absent()}, mark())
	if err := s.c.States.Mutate(ctx, with...); err != nil {
		return Code{}, Claim{}, err
	}
	return code, claim, nil
}

// Claims are the codes that there are, used up and ended ones for a while too.
func (s *Store) Claims(ctx context.Context) []Claim {
	all := []Claim{}
	for _, c := range s.claims(ctx) {
		all = append(all, c)
	}
	return all
}

// claims yields the codes with their hashes.
func (s *Store) claims(ctx context.Context) func(func(string, Claim) bool) {
	return func(yield func(string, Claim) bool) {
		for hash, text := range s.c.States.List(ctx, claimSpace, "") {
			c, err := parseClaim(hash, text)
			if err != nil {
				s.counts.damaged.Add(1)
				c = Claim{Name: hash[:min(len(hash), claimName)]} // it ended long ago
			}
			if !yield(hash, c) {
				return
			}
		}
	}
}

// DeleteClaim makes a code worthless; devices that were enrolled by it stay.
// Kinds: NotFound, and those of the state.
func (s *Store) DeleteClaim(ctx context.Context, name string) error {
	for hash, c := range s.claims(ctx) {
		if c.Name == name {
			return s.c.States.Mutate(ctx, shardlog.Mutation{Space: claimSpace, Key: hash}, mark())
		}
	}
	return shardlog.Errorf(shardlog.NotFound, "delete claim code", "%.80q is the name of no code", name)
}

func parseClaim(hash string, text []byte) (c Claim, err error) {
	if err := json.Unmarshal(text, &c); err != nil {
		return Claim{}, shardlog.Errorf(shardlog.Corrupt, "read claim code", "its row cannot be understood: make another code: %w", err)
	}
	c.Name = hash[:min(len(hash), claimName)]
	return c, nil
}

func (c Claim) text() []byte {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and times of our own
	}
	return text
}
