package delivery

import (
	"crypto/rand"
	"strings"
	"time"
)

// The namespaces and names of expressions in prefixes ("Custom prefixes for
// Amazon S3 objects", Amazon Data Firehose developer guide).
const (
	errorOutputType  = "firehose:error-output-type"
	randomString     = "firehose:random-string"
	timestampSpace   = "timestamp:"
	defaultHourly    = "!{timestamp:yyyy/MM/dd/HH/}"
	keyFromQuery     = "partitionKeyFromQuery:"
	keyFromLambda    = "partitionKeyFromLambda:"
	processingFailed = "processing-failed"
	randomLetters    = 11
)

// piece is one part of a parsed prefix: a literal, a time pattern, a named
// expression or, with key set, the key of a record that name says.
type piece struct {
	literal string
	time    pattern
	name    string
	key     bool
}

// prefix is a parsed Prefix or ErrorOutputPrefix.
type prefix []piece

// parsePrefix takes text apart. forErrors allows error-output-type.
func parsePrefix(field, text string, forErrors bool) (prefix, error) {
	var p prefix
	rest := text
	for rest != "" {
		at := strings.Index(rest, "!{")
		if at < 0 {
			at = len(rest)
		}
		if at > 0 {
			p = append(p, piece{literal: rest[:at]})
			rest = rest[at:]
			continue
		}
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return nil, invalid("%s %q: !{ without }", field, text)
		}
		one, err := parseExpression(rest[2:end], forErrors)
		if err != nil {
			return nil, invalid("%s %q: %w", field, text, err)
		}
		p = append(p, one)
		rest = rest[end+1:]
	}
	return p, nil
}

func parseExpression(text string, forErrors bool) (piece, error) {
	switch {
	case strings.HasPrefix(text, timestampSpace):
		t, err := parsePattern(text[len(timestampSpace):])
		return piece{time: t}, err
	case text == randomString:
		return piece{name: text}, nil
	case text == errorOutputType && forErrors:
		return piece{name: text}, nil
	case text == errorOutputType:
		return piece{}, invalid("!{%s} is allowed in error_prefix only", text)
	case strings.HasPrefix(text, keyFromQuery), strings.HasPrefix(text, keyFromLambda):
		_, name, _ := strings.Cut(text, ":")
		if forErrors || name == "" {
			return piece{}, invalid("!{%s}: write !{%sNAME}, and in prefix only", text, keyFromQuery)
		}
		return piece{name: name, key: true}, nil
	default:
		return piece{}, invalid("!{%s} is unknown; !{timestamp:…}, !{%s}, !{%sNAME} and, in error_prefix, !{%s} are known", text, randomString, keyFromQuery, errorOutputType)
	}
}

// has reports whether some piece is of the kind.
func (p prefix) has(match func(piece) bool) bool {
	for _, one := range p {
		if match(one) {
			return true
		}
	}
	return false
}

func isTime(p piece) bool       { return p.time != nil }
func isErrorType(p piece) bool  { return p.name == errorOutputType && !p.key }
func isKey(p piece) bool        { return p.key }
func isExpression(p piece) bool { return p.literal == "" }

// at evaluates the prefix at the arrival of an object's oldest record, in UTC,
// for a partition.
func (p prefix) at(arrived time.Time, errorType, partition string) string {
	var b []byte
	for _, one := range p {
		switch {
		case one.key:
			var value string
			value, partition, _ = strings.Cut(partition, "/")
			b = append(b, value...)
		case one.time != nil:
			b = one.time.appendTo(b, arrived.UTC())
		case one.name == errorOutputType:
			b = append(b, errorType...)
		case one.name == randomString:
			b = append(b, rand.Text()[:randomLetters]...)
		default:
			b = append(b, one.literal...)
		}
	}
	return string(b)
}

// sameTime reports whether two arrivals give the same prefix, random strings apart.
func (p prefix) sameTime(a, b time.Time) bool {
	for _, one := range p {
		if one.time != nil && string(one.time.appendTo(nil, a.UTC())) != string(one.time.appendTo(nil, b.UTC())) {
			return false
		}
	}
	return true
}

// prefixes are the two parsed prefixes of a spec, defaults filled in.
type prefixes struct{ data, errors prefix }

// prefixes applies AWS's rules: a Prefix without a timestamp gets the hour
// appended, an ErrorOutputPrefix with an expression must name the error type,
// and without one it follows the Prefix.
func (s Spec) prefixes() (prefixes, error) {
	data, err := parsePrefix("prefix", s.Prefix, false)
	if err != nil {
		return prefixes{}, err
	}
	text := s.ErrorPrefix
	if text == "" {
		text = "!{" + errorOutputType + "}/"
		if !data.has(isExpression) {
			text = s.Prefix + text
		}
	}
	errs, err := parsePrefix("error_prefix", text, true)
	if err != nil {
		return prefixes{}, err
	}
	if errs.has(isExpression) && !errs.has(isErrorType) {
		return prefixes{}, invalid("error_prefix %q has expressions, so it must have !{%s} too", s.ErrorPrefix, errorOutputType)
	}
	both := prefixes{data: hourly(data), errors: hourly(errs)}
	if err := both.check(); err != nil {
		return prefixes{}, err
	}
	return both, nil
}

// hourly appends the default when neither a timestamp nor a key is asked for.
func hourly(p prefix) prefix {
	if p.has(isTime) || p.partitioned() {
		return p
	}
	tail, err := parsePrefix("prefix", defaultHourly, false)
	if err != nil { // a constant
		panic(err)
	}
	return append(p[:len(p):len(p)], tail...)
}

// check evaluates both on a long day and refuses what no sink can take.
func (p prefixes) check() error {
	longest := time.Date(2026, time.September, 30, 23, 59, 59, 999e6, time.UTC) // a Wednesday
	for field, text := range map[string]string{"prefix": p.data.at(longest, "", strings.Repeat("k/", len(p.data))), "error_prefix": p.errors.at(longest, processingFailed, "")} {
		if len(text) > maxEvaluated {
			return invalid("%s has %d characters when evaluated, %d are allowed", field, len(text), maxEvaluated)
		}
		if strings.HasPrefix(text, "/") || strings.Contains(text, "//") {
			return invalid("%s %q gives an empty folder name", field, text)
		}
		for part := range strings.SplitSeq(text, "/") {
			if part == "." || part == ".." {
				return invalid("%s %q leaves its folder", field, text)
			}
		}
	}
	return nil
}
