package awsapi_test

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"headgate/gateway/awsapi"
)

// Every malformed request gets AWS's error for it, in AWS's order.
func TestMalformedRequests(t *testing.T) {
	_, url := open(t)
	const denied = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n"
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, c := range []struct {
		name   string
		body   string
		change func(*http.Request)
		status int
		want   string
	}{
		{"GET", "", func(r *http.Request) { r.Method = http.MethodGet }, 403, denied},
		{"PUT", "{}", func(r *http.Request) { r.Method = http.MethodPut }, 403, denied},
		{"no body", "", nil, 400, `{"__type":"SerializationException"}`},
		{"no body, unknown operation", "", set("X-Amz-Target", "Parrot_20200101.Sing"), 400, `{"__type":"UnknownOperationException"}`},
		{"content type", "{}", set("Content-Type", "text/plain"), 404, "<UnknownOperationException/>\n"},
		{"content type and no target", "{}", func(r *http.Request) {
			r.Header.Set("Content-Type", "text/plain")
			r.Header.Del("X-Amz-Target")
		}, 403, denied},
		{"old protocol", "{}", set("Content-Type", "application/json"), 404,
			`{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}`},
		{"old protocol, no JSON", "{", set("Content-Type", "application/json"), 400,
			`{"Output":{"__type":"com.amazon.coral.service#SerializationException"},"Version":"1.0"}`},
		{"no JSON", "{", nil, 400, `{"__type":"SerializationException"}`},
		{"a string", `"word"`, nil, 400, `{"__type":"SerializationException"}`},
		{"a list", `[]`, nil, 400, `{"__type":"SerializationException"}`},
		{"null", `null`, nil, 400, `{"__type":"SerializationException"}`},
		{"two objects", `{} {}`, nil, 400, `{"__type":"SerializationException"}`},
		{"no JSON, unknown operation", "{", set("X-Amz-Target", "Parrot_20200101.Sing"), 400, `{"__type":"SerializationException"}`},
		{"unknown operation", "{}", set("X-Amz-Target", "Parrot_20200101.Sing"), 400, `{"__type":"UnknownOperationException"}`},
		{"unknown service", "{}", set("X-Amz-Target", "Crow_20200101.Say"), 400, `{"__type":"UnknownOperationException"}`},
		{"no target", "{}", func(r *http.Request) { r.Header.Del("X-Amz-Target") }, 400, `{"__type":"UnknownOperationException"}`},
		{"content type with a parameter", "{}", set("Content-Type", "application/x-amz-json-1.1; charset=utf-8"), 400,
			`{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`},
		{"unsigned", "{}", nil, 400, `{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`},
		{"signed twice", "{}", func(r *http.Request) {
			r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256"
			r.Header.Set("Authorization", "X")
		}, 400, `{"__type":"InvalidSignatureException","message":"Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."}`},
		{"authorization of nothing", "{}", set("Authorization", "X"), 400,
			`{"__type":"IncompleteSignatureException","message":"Authorization header requires 'Credential' parameter. ` +
				`Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. ` +
				`Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=X"}`},
		{"query of nothing", "{}", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=" }, 400,
			`{"__type":"IncompleteSignatureException","message":"AWS query-string parameters must include 'X-Amz-Algorithm'. ` +
				`AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. ` +
				`AWS query-string parameters must include 'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. ` +
				`Re-examine the query-string parameters."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t, url, c.body)
			if c.change != nil {
				c.change(r)
			}
			got := send(t, r)
			got.wants(t, c.status, c.want)
			if got.header.Get("x-amzn-RequestId") == "" || got.header.Get("x-amz-id-2") == "" || got.header.Get("x-amzn-ErrorType") == "" {
				t.Errorf("headers %v", got.header)
			}
		})
	}
}

func TestTypesAndConstraints(t *testing.T) {
	_, url := open(t)
	wrong := func(text string) string { return `{"__type":"SerializationException","Message":"` + text + `"}` }
	broken := func(text string) string { return `{"__type":"ValidationException","message":"` + text + `"}` }
	const number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
	for _, c := range []struct{ body, want string }{
		{`{"Word":true}`, wrong("class java.lang.Boolean can not be converted to an String")},
		{`{"Word":5}`, wrong(number + "an String")},
		{`{"Word":[]}`, wrong("Start of list found where not expected")},
		{`{"Word":{}}`, wrong("Start of structure or map found where not expected.")},
		{`{"Times":"5"}`, wrong("class java.lang.String can not be converted to an Integer")},
		{`{"Flag":5}`, wrong(number + "an Boolean")},
		{`{"Flag":"yes"}`, wrong("'YES' can not be converted to an Boolean")},
		{`{"When":"now"}`, wrong("class java.lang.String can not be converted to milliseconds since epoch")},
		{`{"Blob":5}`, wrong(number + "a Blob")},
		{`{"Blob":"YQ="}`, wrong("'YQ=' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 3")},
		{`{"Blob":"=aaa"}`, wrong("'=aaa' can not be converted to a Blob: Invalid Base64 character: '='")},
		{`{"Blob":"YR=="}`, wrong("'YR==' can not be converted to a Blob: Invalid last non-pad Base64 character dectected")},
		{`{"List":"x"}`, wrong("Expected list or null")},
		{`{"List":{}}`, wrong("Start of structure or map found where not expected.")},
		{`{"List":[5]}`, wrong("Expected null")},
		{`{"List":[[]]}`, wrong("Start of list found where not expected")},
		{`{"Tags":5}`, wrong("Expected map or null")},
		{`{"Tags":{"a":5}}`, wrong(number + "an String")},

		{`{}`, broken("1 validation error detected: Value null at 'word' failed to satisfy constraint: Member must not be null")},
		{`{"Word":null,"Unknown":[1,2]}`, broken("1 validation error detected: Value null at 'word' failed to satisfy constraint: Member must not be null")},
		{`{"Word":""}`, broken("2 validation errors detected: Value '' at 'word' failed to satisfy constraint: " +
			"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '' at 'word' failed to satisfy constraint: " +
			"Member must have length greater than or equal to 1")},
		{`{"Word":"muchtoolong"}`, broken("1 validation error detected: Value 'muchtoolong' at 'word' failed to satisfy constraint: " +
			"Member must have length less than or equal to 8")},
		{`{"Word":"a","Times":0.5}`, broken("1 validation error detected: Value '0' at 'times' failed to satisfy constraint: " +
			"Member must have value greater than or equal to 1")},
		{`{"Word":"a","Times":1e300}`, broken("1 validation error detected: Value '2147483647' at 'times' failed to satisfy constraint: " +
			"Member must have value less than or equal to 10")},
		{`{"Word":"a","Tone":"SHRILL"}`, broken("1 validation error detected: Value 'SHRILL' at 'tone' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [LOUD, LOW]")},
		{`{"Word":"a","Blob":"YWJjZGU="}`, broken("1 validation error detected: Value 'java.nio.HeapByteBuffer[pos=0 lim=5 cap=5]' at 'blob' " +
			"failed to satisfy constraint: Member must have length less than or equal to 4")},
		{`{"Word":"a","List":[{"Data":"YQ=="},{},{"Data":"YWJjZGU="}]}`, broken("3 validation errors detected: " +
			"Value '[com.example.Element, com.example.Element, com.example.Element]' at 'list' failed to satisfy constraint: Member must have length less than or equal to 2; " +
			"Value null at 'list.2.member.data' failed to satisfy constraint: Member must not be null; " +
			"Value 'java.nio.HeapByteBuffer[pos=0 lim=5 cap=5]' at 'list.3.member.data' failed to satisfy constraint: Member must have length less than or equal to 4")},
	} {
		send(t, sign(t, request(t, url, c.body), owner, "us-east-1", time.Now())).wants(t, 400, c.want)
		send(t, sign(t, cborRequest(t, url, cbor.Encode(asCBOR(t, c.body))), owner, "us-east-1", time.Now())).wantsCBOR(t, 400, c.want)
	}
}

func TestAtMostTenProblems(t *testing.T) {
	_, url := open(t)
	got := send(t, sign(t, request(t, url, `{"Word":"a","List":[`+strings.Repeat("{},", 20)+`{}]}`), owner, "us-east-1", time.Now()))
	if !strings.Contains(got.body, "10 validation errors detected") || strings.Contains(got.body, "list.10.member") {
		t.Errorf("got %s", got.body)
	}
}

func TestAnswers(t *testing.T) {
	_, url := open(t)
	said := func(body string) answer {
		return send(t, sign(t, request(t, url, body), owner, "sa-east-1", time.Now()))
	}
	got := said(`{"Word":"hi"}`)
	got.wants(t, 200, `{"Word":"hi","Key":"`+keyID+`","Region":"sa-east-1","SkewUnchecked":false}`)
	if got.header.Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("content type %s", got.header.Get("Content-Type"))
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if id := got.header.Get("x-amzn-RequestId"); !uuid.MatchString(id) || id == said(`{"Word":"hi"}`).header.Get("x-amzn-RequestId") {
		t.Errorf("request id %s", id)
	}
	said(`{"Word":"nothing"}`).wants(t, 200, "")
	said(`{"Word":"fault"}`).wants(t, 500, `{"__type":"InternalFailure","message":"Internal service failure."}`)
	busy := said(`{"Word":"busy"}`)
	busy.wants(t, 503, `{"__type":"ServiceUnavailable","message":"Later."}`)
	if busy.header.Get("x-amzn-ErrorType") != "ServiceUnavailable" || busy.header.Get("Retry-After") == "" {
		t.Errorf("headers %v", busy.header)
	}
}

func TestTooLargeBody(t *testing.T) {
	door, url := open(t)
	large := bytes.Repeat([]byte(" "), awsapi.MaxBody+1)
	for _, known := range []bool{true, false} {
		r := sign(t, request(t, url, string(large)), owner, "us-east-1", time.Now())
		if !known {
			r.ContentLength = -1
		}
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			continue // the server closed while the client was still writing
		}
		got.Body.Close()
		if got.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("length known %v: status %d", known, got.StatusCode)
		}
	}
	stranger := sign(t, request(t, url, string(large[:1<<20])), owner, "us-east-1", time.Now())
	stranger.Header.Set("Authorization", strings.Replace(stranger.Header.Get("Authorization"), keyID, "AKIDSTRANGER", 1))
	if got, err := http.DefaultClient.Do(stranger); err == nil {
		got.Body.Close()
		if got.Header.Get("x-amzn-ErrorType") != "UnrecognizedClientException" {
			t.Errorf("a stranger's megabyte: %d %v", got.StatusCode, got.Header)
		}
	}
	if s := door.Stats(); s.Refused != 3 || s.Ops["parrot.Say"].Calls != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestManyValuesInOneBody(t *testing.T) {
	_, url := open(t)
	body := `{"Word":"a","Unknown":[` + strings.Repeat("[],", 300_000) + `0]}`
	send(t, sign(t, request(t, url, body), owner, "us-east-1", time.Now())).wants(t, 400, `{"__type":"SerializationException"}`)
}

func TestBrowsers(t *testing.T) {
	for _, c := range []struct {
		name, origin string
		open         bool
		method       string
		status       int
		allowed      string
	}{
		{"preflight", "https://app.example", false, http.MethodOptions, 200, "*"},
		{"unsigned post", "https://app.example", false, http.MethodPost, 400, "*"},
		{"open, from elsewhere", "https://app.example", true, http.MethodPost, 403, ""},
		{"open, preflight from elsewhere", "https://app.example", true, http.MethodOptions, 403, ""},
		{"open, from here", "http://localhost:8080", true, http.MethodPost, 200, "*"},
		{"open, from here by number", "http://127.0.0.1", true, http.MethodPost, 200, "*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, url := open(t, func(config *awsapi.Config) { config.Open = c.open })
			r := request(t, url, `{"Word":"hi"}`)
			r.Method = c.method
			r.Header.Set("Origin", c.origin)
			got := send(t, r)
			if got.status != c.status || got.header.Get("Access-Control-Allow-Origin") != c.allowed {
				t.Errorf("status %d, headers %v", got.status, got.header)
			}
		})
	}
}
