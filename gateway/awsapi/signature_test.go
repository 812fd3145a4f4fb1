package awsapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"headgate/gateway/awsapi"
)

const mismatch = "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

func TestSignatures(t *testing.T) {
	_, url := open(t)
	edit := func(old, next string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, next, 1))
		}
	}
	day := time.Now().UTC().Format("20060102")
	for _, c := range []struct {
		name          string
		who           aws.Credentials
		region        string
		before, after func(*http.Request) // signing
		code, text    string              // "": accepted
	}{
		{name: "as it should be", who: owner},
		{name: "session token", who: aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: "any/token=="}},
		{name: "spaces in a header", who: owner, before: func(r *http.Request) { r.Header.Set("X-Amz-Meta", "  a   b  ") }},
		{name: "path and query", who: owner, before: func(r *http.Request) {
			r.URL.Path = "/some path/ü"
			r.URL.RawQuery = "b=2&a=1+1&a=%2F&empty="
		}},
		{name: "claimed hash", who: owner, before: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", payloadHash(t, r)) }},
		{name: "wrong secret", who: aws.Credentials{AccessKeyID: keyID, SecretAccessKey: "wrong"}, code: "InvalidSignatureException", text: mismatch},
		{name: "unknown key", who: aws.Credentials{AccessKeyID: "AKIDNOBODY", SecretAccessKey: secret}, code: "UnrecognizedClientException",
			text: "The security token included in the request is invalid."},
		{name: "other target", who: owner, after: func(r *http.Request) { r.Header.Set("X-Amz-Target", "Parrot_20200101.Say ") }, code: "",
			text: ""}, // trailing blanks are no part of a value
		{name: "unsigned amz header", who: owner, after: func(r *http.Request) { r.Header.Set("X-Amz-Extra", "1") }, code: "InvalidSignatureException",
			text: "'X-Amz-Extra' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "host not signed", who: owner, after: edit("host;", ""), code: "InvalidSignatureException",
			text: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{name: "other host", who: owner, after: func(r *http.Request) { r.Host = "elsewhere.example" }, code: "InvalidSignatureException", text: mismatch},
		{name: "other date", who: owner, after: func(r *http.Request) {
			r.Header.Set("X-Amz-Date", time.Now().Add(time.Second).UTC().Format("20060102T150405Z"))
		}, code: "InvalidSignatureException"},
		{name: "unsigned payload", who: owner, before: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") },
			code: "InvalidSignatureException", text: "The payload must be signed: x-amz-content-sha256 'UNSIGNED-PAYLOAD' is not accepted."},
		{name: "streaming payload", who: owner, before: func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
		}, code: "InvalidSignatureException"},
		{name: "no region", who: owner, region: "nowhere", code: "InvalidSignatureException",
			text: "Credential should be scoped to a valid region, not 'nowhere'. "},
		{name: "other service", who: owner, after: edit("/parrot/", "/crow/"), code: "InvalidSignatureException",
			text: "Credential should be scoped to correct service: 'parrot'. "},
		{name: "other day", who: owner, after: edit("/"+day+"/", "/20150101/"), code: "InvalidSignatureException"},
		{name: "short scope", who: owner, after: edit("/aws4_request", ""), code: "IncompleteSignatureException"},
		{name: "no signature", who: owner, after: edit("Signature=", "Sig="), code: "IncompleteSignatureException"},
		{name: "other algorithm", who: owner, after: edit("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), code: "IncompleteSignatureException"},
		{name: "cut signature", who: owner, after: func(r *http.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-1])
		}, code: "InvalidSignatureException", text: mismatch},
		{name: "bad date", who: owner, after: func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") }, code: "IncompleteSignatureException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, url, `{"Word":"hi"}`)
			if c.before != nil {
				c.before(r)
			}
			if c.region == "" {
				c.region = "us-east-1"
			}
			sign(t, r, c.who, c.region, time.Now())
			if c.after != nil {
				c.after(r)
			}
			got := send(t, r)
			if c.code == "" {
				if got.status != 200 {
					t.Errorf("%d %s", got.status, got.body)
				}
				return
			}
			if got.status != 400 || got.header.Get("x-amzn-ErrorType") != c.code || c.text != "" && !strings.Contains(got.body, c.text) {
				t.Errorf("got %d %s, want %s %s", got.status, got.body, c.code, c.text)
			}
			if strings.Contains(got.body, secret) {
				t.Error("told the secret")
			}
		})
	}
}

func TestChangedBody(t *testing.T) {
	_, url := open(t)
	r := sign(t, request(t, url, `{"Word":"hi"}`), owner, "us-east-1", time.Now())
	other := request(t, url, `{"Word":"ho"}`)
	other.Header = r.Header
	if got := send(t, other); !strings.Contains(got.body, mismatch) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestPresigned(t *testing.T) {
	now := time.Now()
	_, url := open(t)
	for _, c := range []struct {
		name    string
		at      time.Time
		expires string
		secret  string
		status  int
	}{
		{"now", now, "", secret, 200},
		{"an hour ago, for two", now.Add(-time.Hour), "7200", secret, 200},
		{"an hour ago, for a minute", now.Add(-time.Hour), "60", secret, 400},
		{"an hour ago", now.Add(-time.Hour), "", secret, 400},
		{"for too long", now, "9999999", secret, 400},
		{"wrong secret", now, "", "wrong", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, url, `{"Word":"hi"}`)
			if c.expires != "" {
				r.URL.RawQuery = "X-Amz-Expires=" + c.expires
			}
			who := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: c.secret}
			signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), who, r, payloadHash(t, r), "parrot", "us-east-1", c.at)
			if err != nil {
				t.Fatal(err)
			}
			presigned, err := http.NewRequestWithContext(t.Context(), http.MethodPost, signed, strings.NewReader(`{"Word":"hi"}`))
			if err != nil {
				t.Fatal(err)
			}
			presigned.Header = header
			if got := send(t, presigned); got.status != c.status {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}

func TestSkew(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		at      time.Time
		trusted bool
		want    string
	}{
		{"four minutes early", now.Add(-4 * time.Minute), true, ""},
		{"four minutes late", now.Add(4 * time.Minute), true, ""},
		{"six minutes early", now.Add(-6 * time.Minute), true,
			"Signature expired: 20260301T115400Z is now earlier than 20260301T115500Z (20260301T120000Z - 5 min.)"},
		{"six minutes late", now.Add(6 * time.Minute), true,
			"Signature not yet current: 20260301T120600Z is still later than 20260301T120500Z (20260301T120000Z + 5 min.)"},
		{"a year late, clock not trusted", now.AddDate(1, 0, 0), false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, url := open(t, func(config *awsapi.Config) {
				config.Now = func() time.Time { return now }
				config.ClockTrusted = func() bool { return c.trusted }
			})
			got := send(t, sign(t, request(t, url, `{"Word":"hi"}`), owner, "us-east-1", c.at))
			if c.want == "" {
				got.wants(t, 200, `{"Word":"hi","Key":"`+keyID+`","Region":"us-east-1","SkewUnchecked":`+map[bool]string{true: "false", false: "true"}[c.trusted]+`}`)
				return
			}
			got.wants(t, 400, `{"__type":"InvalidSignatureException","message":"`+c.want+`"}`)
		})
	}
}

func TestOpenMode(t *testing.T) {
	_, url := open(t, func(c *awsapi.Config) { c.Open, c.Keys = true, nil })
	send(t, request(t, url, `{"Word":"hi"}`)).wants(t, 200, `{"Word":"hi","Key":"","Region":"us-east-1","SkewUnchecked":false}`)
	who := aws.Credentials{AccessKeyID: "any", SecretAccessKey: "any"}
	send(t, sign(t, request(t, url, `{"Word":"hi"}`), who, "eu-west-3", time.Now())).
		wants(t, 200, `{"Word":"hi","Key":"","Region":"eu-west-3","SkewUnchecked":false}`)
	if _, err := awsapi.New(awsapi.Config{}); err == nil {
		t.Error("made a door without keys that is not open")
	}
}

// A client that begins with HTTP/2 without TLS is served on the same port.
func TestHTTP2WithoutTLS(t *testing.T) {
	_, url := open(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	r := sign(t, request(t, url, `{"Word":"hi"}`), owner, "us-east-1", time.Now())
	got, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	if got.ProtoMajor != 2 || got.StatusCode != 200 {
		t.Errorf("%s %s", got.Proto, got.Status)
	}
}
