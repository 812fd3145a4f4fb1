package access

import (
	"encoding/json"
	"time"
)

// Key is an access key as its owner sees it: without its secret.
type Key struct {
	ID       string          `json:"accessKeyId"`
	Name     string          `json:"name"`
	State    string          `json:"state"`            // one of the states below
	Policy   json.RawMessage `json:"policy,omitempty"` // empty: it may do everything
	Created  time.Time       `json:"created,omitzero"`
	Ends     time.Time       `json:"ends,omitzero"`      // from then on it is not accepted
	Unagreed bool            `json:"unagreed,omitempty"` // the other gateways of the site do not know it so yet
}

// The states of a key.
const (
	Active   = "active"
	Disabled = "disabled"
	Ended    = "ended"
	Sealed   = "sealed" // its secret cannot be opened here
)

// record is a key as it is written down. Secret is there in keys that were
// made while no gateway ran; the next start seals it.
type record struct {
	Name     string          `json:"name,omitempty"` // empty: the key's id
	Secret   string          `json:"secret,omitempty"`
	Sealed   string          `json:"sealed,omitempty"`
	Policy   json.RawMessage `json:"policy,omitempty"`
	Disabled bool            `json:"disabled,omitempty"`
	Created  time.Time       `json:"created,omitzero"`
	Ends     time.Time       `json:"ends,omitzero"`
	// Owed says that the site does not know yet that the key is so.
	Owed bool `json:"owed,omitempty"`
	Gone bool `json:"gone,omitempty"` // owed as well: it is deleted
	// Plain says that somebody wrote the key as a plain line: the site takes it
	// as a new one, but believes what it knows of a key of that id.
	Plain bool `json:"plain,omitempty"`
}

// parseRecord reads one, in full: a key of which only a part is understood
// might have been given less than it seems.
func parseRecord(text []byte) (r record, policy *Policy, ok bool) {
	if json.Unmarshal(text, &r) != nil {
		return r, nil, false
	}
	if r.Name != "" && !isName(r.Name) || r.Secret != "" && !isSecret(r.Secret) || r.Secret == "" && r.Sealed == "" && !r.Gone {
		return r, nil, false
	}
	if len(r.Policy) > 0 {
		p, err := ParseKeyPolicy(string(r.Policy))
		if err != nil {
			return r, nil, false
		}
		policy = p
	}
	return r, policy, true
}

// name is what the key is called in policies and in the audit.
func (r *record) name(id string) string {
	if r.Name == "" {
		return id
	}
	return r.Name
}

// ended reports whether the key's time is over.
func (r *record) ended(now time.Time) bool { return !r.Ends.IsZero() && !now.Before(r.Ends) }

// isName follows IAM's names of users: none can hold a wildcard.
func isName(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_', c == '-', c == '.', c == '@', c == '+', c == '=', c == ',':
		default:
			return false
		}
	}
	return true
}
