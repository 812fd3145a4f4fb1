package awsapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// parseSigned finds the signature in the Authorization header or in the query.
func parseSigned(r *http.Request) (*signed, *Error) {
	header, q := r.Header.Get("Authorization"), query(r)
	inQuery := q.Has("X-Amz-Algorithm")
	switch {
	case header != "" && inQuery:
		return nil, badSignature("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	case header != "":
		return fromHeader(r, header)
	case inQuery:
		return fromQuery(q)
	}
	return nil, &Error{Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
}

func fromHeader(r *http.Request, header string) (*signed, *Error) {
	scheme, rest, _ := strings.Cut(header, " ")
	given := map[string]string{}
	for _, part := range strings.FieldsFunc(rest, func(c rune) bool { return c == ',' || c == ' ' }) {
		name, value, _ := strings.Cut(part, "=")
		given[name] = value
	}
	text := ""
	for _, name := range [...]string{"Credential", "Signature", "SignedHeaders"} {
		if given[name] == "" {
			text += "Authorization header requires '" + name + "' parameter. "
		}
	}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	if date == "" {
		text += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
	}
	if text != "" {
		return nil, incomplete(text + "Authorization=" + clip(header))
	}
	if scheme != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '" + clip(scheme) + "' (only " + algorithm + " for now). ")
	}
	s := &signed{signature: given["Signature"], names: strings.Split(given["SignedHeaders"], ";")}
	return s, s.fill(given["Credential"], date)
}

func fromQuery(q url.Values) (*signed, *Error) {
	text := ""
	for _, name := range [...]string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.Get(name) == "" {
			text += "AWS query-string parameters must include '" + name + "'. "
		}
	}
	if text != "" {
		return nil, incomplete(text + "Re-examine the query-string parameters.")
	}
	if q.Get("X-Amz-Algorithm") != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '" + clip(q.Get("X-Amz-Algorithm")) + "' (only " + algorithm + " for now). ")
	}
	s := &signed{inQuery: true, signature: q.Get("X-Amz-Signature"), names: strings.Split(q.Get("X-Amz-SignedHeaders"), ";")}
	if text := q.Get("X-Amz-Expires"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || time.Duration(n)*time.Second > maxExpires {
			return nil, incomplete("X-Amz-Expires must be a number of seconds between 1 and 604800.")
		}
		s.expires = time.Duration(n) * time.Second
	}
	return s, s.fill(q.Get("X-Amz-Credential"), q.Get("X-Amz-Date"))
}

// fill reads credential and date into s.
func (s *signed) fill(credential, date string) *Error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != terminator || parts[0] == "" {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '" +
			clip(credential) + "'")
	}
	s.keyID, s.day, s.region, s.service = parts[0], parts[1], parts[2], parts[3]
	for _, layout := range [...]string{basicTime, http.TimeFormat, time.RFC1123Z} {
		if at, err := time.Parse(layout, date); err == nil {
			s.at, s.stamp = at, at.UTC().Format(basicTime)
			return nil
		}
	}
	return incomplete("Date must be in ISO-8601 'basic format'. Got '" + clip(date) +
		"'. See http://en.wikipedia.org/wiki/ISO_8601")
}

// regionOf is the region that an unverified request speaks of, in open mode.
func regionOf(r *http.Request) string {
	if s, err := parseSigned(r); err == nil && isRegion(s.region) {
		return s.region
	}
	return "us-east-1"
}
