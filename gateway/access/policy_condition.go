package access

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// condition is one line of a Condition: an operator, what it looks at, and the
// values of which one must fit.
type condition struct {
	key  string // one of the names in facts, lower case
	not  bool   // none of the values may fit
	fits func(value string, r *Request) bool

	values []string
	nets   []netip.Prefix // what values say, where they are networks
	times  []time.Time    // where they are dates
	order  int            // of dates: -1 before the value, 1 after it, 0 at it
	equal  bool           // of dates: at it will do as well
}

// The names of what a condition may look at.
const (
	aboutSource    = "aws:sourceip"
	aboutTransport = "aws:securetransport"
	aboutTime      = "aws:currenttime"
	aboutUser      = "aws:username"
	aboutKey       = "aws:userid"
	aboutPrincipal = "aws:principalarn"
)

// operator says how a condition compares.
type operator struct {
	keys  []string // what it may look at
	not   bool
	fits  func(value string, r *Request, got string) bool
	order int
	equal bool
}

// operators are those that are known, by IAM's names.
func operators() map[string]operator {
	text := []string{aboutUser, aboutKey, aboutPrincipal}
	same := func(value string, r *Request, got string) bool { return expand(value, r) == got }
	like := func(value string, r *Request, got string) bool { return match(expand(value, r), got) }
	fold := func(value string, r *Request, got string) bool { return strings.EqualFold(expand(value, r), got) }
	date := []string{aboutTime}
	return map[string]operator{
		"IpAddress":                 {keys: []string{aboutSource}},
		"NotIpAddress":              {keys: []string{aboutSource}, not: true},
		"Bool":                      {keys: []string{aboutTransport}},
		"StringEquals":              {keys: text, fits: same},
		"StringNotEquals":           {keys: text, fits: same, not: true},
		"StringEqualsIgnoreCase":    {keys: text, fits: fold},
		"StringNotEqualsIgnoreCase": {keys: text, fits: fold, not: true},
		"StringLike":                {keys: text, fits: like},
		"StringNotLike":             {keys: text, fits: like, not: true},
		"ArnEquals":                 {keys: []string{aboutPrincipal}, fits: like},
		"ArnLike":                   {keys: []string{aboutPrincipal}, fits: like},
		"ArnNotEquals":              {keys: []string{aboutPrincipal}, fits: like, not: true},
		"ArnNotLike":                {keys: []string{aboutPrincipal}, fits: like, not: true},
		"DateEquals":                {keys: date},
		"DateNotEquals":             {keys: date, not: true},
		"DateLessThan":              {keys: date, order: -1},
		"DateLessThanEquals":        {keys: date, order: -1, equal: true},
		"DateGreaterThan":           {keys: date, order: 1},
		"DateGreaterThanEquals":     {keys: date, order: 1, equal: true},
	}
}

// newCondition checks the values of a condition and reads them.
func newCondition(op operator, key string, values []string) (c condition, err error) {
	c = condition{key: strings.ToLower(key), not: op.not, values: values, order: op.order, equal: op.equal}
	if !slices.Contains(op.keys, c.key) {
		return c, invalidPolicy("%.80q cannot be compared so: %s can", key, strings.Join(op.keys, ", "))
	}
	if op.fits != nil {
		c.fits = func(value string, r *Request) bool { return op.fits(value, r, c.text(r)) }
	}
	for _, value := range values {
		switch c.key {
		case aboutSource:
			n, err := parseNetwork(value)
			if err != nil {
				return c, err
			}
			c.nets = append(c.nets, n)
		case aboutTime:
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return c, invalidPolicy("%.80q is no time: write 2026-01-31T10:00:00Z", value)
			}
			c.times = append(c.times, at)
		case aboutTransport:
			if value != "true" && value != "false" {
				return c, invalidPolicy("%.80q is neither true nor false", value)
			}
		default:
			if err := checkVariables(value); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	if err != nil || n.Addr().Is4In6() {
		return n, invalidPolicy("%.80q is no network: write 192.0.2.0/24, 2001:db8::/32 or one address", text)
	}
	return n, nil
}

// holds reports whether the condition is met; known is false when that cannot
// be said now.
func (c *condition) holds(r *Request) (yes, known bool) {
	switch c.key {
	case aboutSource:
		if !r.Source.IsValid() {
			return false, false
		}
		from := r.Source.Unmap().WithZone("")
		yes = slices.ContainsFunc(c.nets, func(n netip.Prefix) bool { return n.Contains(from) })
	case aboutTime:
		if r.Now.IsZero() {
			return false, false
		}
		yes = slices.ContainsFunc(c.times, func(at time.Time) bool {
			order := r.Now.Compare(at)
			return order == c.order || order == 0 && c.equal
		})
	case aboutTransport:
		yes = slices.Contains(c.values, map[bool]string{true: "true", false: "false"}[r.Secure])
	default:
		yes = slices.ContainsFunc(c.values, func(value string) bool { return c.fits(value, r) })
	}
	return yes != c.not, true
}

// text is what a condition that compares texts looks at.
func (c *condition) text(r *Request) string {
	switch c.key {
	case aboutUser:
		return r.User
	case aboutKey:
		return r.KeyID
	}
	return r.Principal()
}
