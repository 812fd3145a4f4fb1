package access

import (
	"net/netip"
	"strings"
	"time"

	"headgate/shardlog"
)

// Account is the account that every key and every stream belongs to.
const Account = "000000000000"

// Sizes of policies in bytes, as AWS has them.
const (
	MaxKeyPolicy      = 6144
	MaxResourcePolicy = 20 << 10
)

// Policy is an IAM policy that was read and checked: what its text says is
// what is done. It does not change, so any number may ask it at once.
type Policy struct {
	text       string
	statements []statement
}

// Text is the policy as it was written.
func (p *Policy) Text() string { return p.text }

// Request is what somebody asks to do.
type Request struct {
	User     string     // the name of the key that asks
	KeyID    string     // its id
	Action   string     // "kinesis:PutRecord"
	Resource string     // an ARN; "*" when it is about nothing in particular
	Source   netip.Addr // where it comes from; the zero Addr: not known
	Secure   bool       // it came over TLS
	Now      time.Time  // zero: the clock is not trusted
}

// Principal is the ARN of whoever asks.
func (r *Request) Principal() string { return "arn:aws:iam::" + Account + ":user/" + r.User }

// Verdict is what a policy says to a request.
type Verdict uint8

// The verdicts.
const (
	Silent Verdict = iota // no statement is about it
	Allow
	Deny
)

// Judge answers Deny when any statement denies the request, else Allow when one
// allows it, else Silent. Where a condition cannot be judged (a date, while the
// clock is not trusted) the answer is the stricter one.
func (p *Policy) Judge(r *Request) Verdict {
	v := Silent
	for i := range p.statements {
		switch s := &p.statements[i]; {
		case !s.applies(r):
		case s.deny:
			return Deny
		default:
			v = Allow
		}
	}
	return v
}

// statement is one rule of a policy.
type statement struct {
	deny       bool
	principals []string // of a resource's policy: "*", an account's number, an ARN
	actions    matcher
	resources  matcher
	conditions []condition
}

// matcher holds when one of its patterns does; turned around, when none does.
type matcher struct {
	not      bool
	patterns []string
}

func (s *statement) applies(r *Request) bool {
	if s.principals != nil && !isAmong(s.principals, r) {
		return false
	}
	if s.actions.not == s.actions.any(func(pattern string) bool { return matchFold(pattern, r.Action) }) {
		return false
	}
	if s.resources.not == s.resources.any(func(pattern string) bool { return matchResource(expand(pattern, r), r.Resource) }) {
		return false
	}
	for i := range s.conditions {
		yes, known := s.conditions[i].holds(r)
		if !known {
			yes = s.deny
		}
		if !yes {
			return false
		}
	}
	return true
}

func (m *matcher) any(holds func(string) bool) bool {
	for _, pattern := range m.patterns {
		if holds(pattern) {
			return true
		}
	}
	return false
}

// isAmong reports whether the one who asks is meant: by name, by the account,
// or because everybody is.
func isAmong(principals []string, r *Request) bool {
	for _, p := range principals {
		switch {
		case p == "*", p == Account, p == r.Principal():
			return true
		case strings.HasSuffix(p, ":iam::"+Account+":root"):
			return true
		}
	}
	return false
}

func invalidPolicy(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "read policy", format, args...)
}
