package awsapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

const (
	keyID  = "AKIDTESTTESTTESTTEST"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

type keys map[string]string

func (k keys) Secret(id string) (string, bool) {
	s, ok := k[id]
	return s, ok
}

// parrot is a service with one operation, which says who called it.
func parrot() awsapi.Service {
	say := func(_ context.Context, c *awsapi.Call) error {
		switch c.In.Text("Word") {
		case "fault":
			return shardlog.Errorf(shardlog.Corrupt, "say", "not for clients")
		case "busy":
			return awsapi.Busy("Later.")
		case "nothing":
			return nil
		}
		c.Out.Open("")
		c.Out.Text("Word", c.In.Text("Word"))
		c.Out.Text("Key", c.Caller.KeyID)
		c.Out.Text("Region", c.Caller.Region)
		c.Out.Bool("SkewUnchecked", c.Caller.SkewUnchecked)
		c.Out.Close()
		return nil
	}
	element := awsapi.Field{Type: awsapi.Structure, Rules: []awsapi.Rule{awsapi.NotNull()}, Fields: []awsapi.Field{
		{Name: "Data", Type: awsapi.Blob, Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Longest(4)}},
	}}
	return awsapi.Service{Target: "Parrot_20200101", Signing: "parrot",
		Explain: func(error) *awsapi.Error { return awsapi.Failure() },
		Ops: map[string]awsapi.Operation{"Say": {Do: say, Input: []awsapi.Field{
			{Name: "Word", Type: awsapi.String, Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Pattern(`[a-zA-Z0-9_.-]+`), awsapi.Shortest(1), awsapi.Longest(8)}},
			{Name: "Times", Type: awsapi.Integer, Rules: []awsapi.Rule{awsapi.Least(1), awsapi.Most(10)}},
			{Name: "Tone", Type: awsapi.String, Rules: []awsapi.Rule{awsapi.OneOf("LOUD", "LOW")}},
			{Name: "Flag", Type: awsapi.Boolean},
			{Name: "When", Type: awsapi.Timestamp},
			{Name: "Blob", Type: awsapi.Blob, Rules: []awsapi.Rule{awsapi.Longest(4)}},
			{Name: "List", Type: awsapi.List, Label: "com.example.Element", Of: &element, Rules: []awsapi.Rule{awsapi.Longest(2)}},
			{Name: "Tags", Type: awsapi.Map, Of: &awsapi.Field{Type: awsapi.String}},
		}}}}
}

// open is a door on loopback, and the address of its server.
func open(t testing.TB, change ...func(*awsapi.Config)) (door *awsapi.Door, url string) {
	t.Helper()
	c := awsapi.Config{Services: []awsapi.Service{parrot()}, Keys: keys{keyID: secret}, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&c)
	}
	door, err := awsapi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := awsapi.NewServer(door), make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return door, "http://" + l.Addr().String()
}

// request is an unsigned request for Say.
func request(t testing.TB, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "Parrot_20200101.Say")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	return r
}

// sign signs the request as the SDK for Go does.
func sign(t testing.TB, r *http.Request, who aws.Credentials, region string, at time.Time) *http.Request {
	t.Helper()
	if err := v4.NewSigner().SignHTTP(t.Context(), who, r, payloadHash(t, r), "parrot", region, at); err != nil {
		t.Fatal(err)
	}
	return r
}

func payloadHash(t testing.TB, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

var owner = aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func send(t testing.TB, r *http.Request) answer {
	t.Helper()
	return sendBy(t, http.DefaultClient, r)
}

func sendBy(t testing.TB, client *http.Client, r *http.Request) answer {
	t.Helper()
	got, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, string(body)}
}

func (a answer) wants(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got  %d %s\nwant %d %s", a.status, a.body, status, body)
	}
}
