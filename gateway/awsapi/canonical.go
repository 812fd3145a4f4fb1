package awsapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonical is the request in the form that is signed ("Create a canonical
// request", AWS Signature Version 4): method, path, query, headers, names of
// the headers, hash of the body, a line each.
func (s *signed) canonical(r *http.Request, hash string) []byte {
	b := make([]byte, 0, 1024)
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = appendPath(b, r.URL)
	b = append(b, '\n')
	b = appendQuery(b, query(r))
	b = append(b, '\n')
	for _, name := range s.names {
		b = append(b, name...)
		b = append(b, ':')
		b = appendHeader(b, r, name)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range s.names {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, hash...)
}

// appendPath escapes the path once more than it came: every service but S3
// signs it so.
func appendPath(b []byte, u *url.URL) []byte {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return appendEscaped(b, path, true)
}

// appendQuery appends the query sorted by name and value, without the signature.
func appendQuery(b []byte, q url.Values) []byte {
	if len(q) == 0 {
		return b
	}
	pairs := make([]string, 0, len(q))
	for name, values := range q {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, value := range values {
			pair := append(appendEscaped(nil, name, false), '=')
			pairs = append(pairs, string(appendEscaped(pair, value, false)))
		}
	}
	slices.Sort(pairs)
	return append(b, strings.Join(pairs, "&")...)
}

// appendHeader appends a signed header's value. HTTP/2 clients sign
// :authority where others sign host; net/http keeps both in Request.Host.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	values := r.Header.Values(name)
	switch {
	case name == ":authority", name == "host":
		return append(b, r.Host...)
	case name == "content-length" && len(values) == 0 && r.ContentLength >= 0:
		return strconv.AppendInt(b, r.ContentLength, 10)
	}
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSpaced(b, value)
	}
	return b
}

// appendSpaced trims a value and makes every run of blanks one.
func appendSpaced(b []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	if !strings.Contains(value, "  ") {
		return append(b, value...)
	}
	blank := false
	for i := range len(value) {
		if value[i] == ' ' && blank {
			continue
		}
		blank = value[i] == ' '
		b = append(b, value[i])
	}
	return b
}

// appendEscaped percent-encodes everything but letters, digits and -_.~ (and
// slashes, if told to keep them).
func appendEscaped(b []byte, s string, slashes bool) []byte {
	const hexDigits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~' || c == '/' && slashes {
			b = append(b, c)
		} else {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return b
}
