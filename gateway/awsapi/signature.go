package awsapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	unsigned   = "UNSIGNED-PAYLOAD" // in place of the body's hash
	basicTime  = "20060102T150405Z"
	maxSkew    = 5 * time.Minute
	maxExpires = 7 * 24 * time.Hour
)

// signed is a request's Signature Version 4 taken apart, from the header or
// from the query.
type signed struct {
	keyID, day, region, service string
	stamp                       string    // as signed: 20060102T150405Z
	at                          time.Time // the stamp
	names                       []string  // of the headers signed, lower case
	signature                   string
	inQuery                     bool
	expires                     time.Duration // of a query; zero: the usual skew
}

// verifier checks signatures.
type verifier struct {
	keys    Keys
	trusted func() bool // whether the clock is
}

// hashOf is the SHA-256 of a body as signatures have it.
func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// verify answers who signed the request to a service. hash is of the body as
// it arrived: what a client claims about it is not believed.
func (v *verifier) verify(r *http.Request, service, hash string, now time.Time) (Caller, *Error) {
	s, err := parseSigned(r)
	if err != nil {
		return Caller{}, err
	}
	if err := s.checkScope(service); err != nil {
		return Caller{}, err
	}
	if err := s.checkHeaders(r, hash); err != nil {
		return Caller{}, err
	}
	secret, ok := v.keys.Secret(s.keyID)
	if !ok {
		return Caller{}, unrecognized()
	}
	caller := Caller{KeyID: s.keyID, Region: s.region}
	if v.trusted() {
		if err := s.checkSkew(now); err != nil {
			return Caller{}, err
		}
	} else {
		caller.SkewUnchecked = true
	}
	want := s.sign(secret, s.canonical(r, hash))
	if !hmac.Equal([]byte(want), []byte(s.signature)) {
		return Caller{}, badSignature("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return caller, nil
}

// known answers an error unless the request names an access key of ours. It
// proves nothing: it keeps strangers from sending large bodies.
func (v *verifier) known(r *http.Request) *Error {
	s, err := parseSigned(r)
	if err != nil {
		return err
	}
	if _, ok := v.keys.Secret(s.keyID); !ok {
		return unrecognized()
	}
	return nil
}

func unrecognized() *Error {
	return Fail("UnrecognizedClientException", "The security token included in the request is invalid.")
}

func badSignature(text string) *Error {
	return &Error{Code: "InvalidSignatureException", Message: text}
}

func incomplete(text string) *Error {
	return &Error{Code: "IncompleteSignatureException", Message: text}
}

var regionPattern = regexp.MustCompile(`^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$`)

func isRegion(region string) bool { return len(region) <= 32 && regionPattern.MatchString(region) }

func (s *signed) checkScope(service string) *Error {
	switch {
	case s.day != s.stamp[:8]:
		return badSignature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			clip(s.day) + "' != '" + s.stamp[:8] + "', from '" + s.stamp + "'.")
	case !isRegion(s.region):
		return badSignature("Credential should be scoped to a valid region, not '" + clip(s.region) + "'. ")
	case s.service != service:
		return badSignature("Credential should be scoped to correct service: '" + service + "'. ")
	}
	return nil
}

// checkHeaders wants everything signed that decides what the request does.
func (s *signed) checkHeaders(r *http.Request, hash string) *Error {
	if !slices.Contains(s.names, "host") && !slices.Contains(s.names, ":authority") {
		return badSignature("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.names, lower) {
			return badSignature("'" + clip(name) + "' must be a 'SignedHeader' in the AWS Authorization.")
		}
	}
	claim := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case claim == "" || claim == hash:
		return nil
	case claim == unsigned || strings.HasPrefix(claim, "STREAMING-"):
		return badSignature("The payload must be signed: x-amz-content-sha256 '" + clip(claim) + "' is not accepted.")
	}
	return badSignature("The value of the x-amz-content-sha256 header does not match the calculated hash.")
}

func (s *signed) checkSkew(now time.Time) *Error {
	nowText := now.UTC().Format(basicTime)
	if latest := now.Add(maxSkew); s.at.After(latest) {
		return badSignature("Signature not yet current: " + s.stamp + " is still later than " +
			latest.UTC().Format(basicTime) + " (" + nowText + " + 5 min.)")
	}
	if s.expires > 0 {
		if end := s.at.Add(s.expires); now.After(end) {
			return badSignature("Signature expired: " + end.UTC().Format(basicTime) + " is now earlier than " + nowText + ".")
		}
		return nil
	}
	if earliest := now.Add(-maxSkew); s.at.Before(earliest) {
		return badSignature("Signature expired: " + s.stamp + " is now earlier than " +
			earliest.UTC().Format(basicTime) + " (" + nowText + " - 5 min.)")
	}
	return nil
}

// sign is the signature that the owner of secret would make.
func (s *signed) sign(secret string, canonical []byte) string {
	sum := sha256.Sum256(canonical)
	scope := s.day + "/" + s.region + "/" + s.service + "/" + terminator
	text := algorithm + "\n" + s.stamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := mac([]byte("AWS4"+secret), s.day)
	key = mac(key, s.region)
	key = mac(key, s.service)
	key = mac(key, terminator)
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// query reads a request's query. What cannot be read is not there.
func query(r *http.Request) url.Values {
	if r.URL.RawQuery == "" {
		return nil
	}
	values, _ := url.ParseQuery(r.URL.RawQuery)
	return values
}
