package awsapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"headgate/gateway/awsapi"
)

// gramophone is a service with paths: one that answers, one that plays for a
// while, one that records what it is sent and says how much.
func gramophone() awsapi.Service {
	title := awsapi.Field{Name: "Title", Type: awsapi.String, Rules: []awsapi.Rule{awsapi.NotNull()}}
	return awsapi.Service{Signing: "parrot", Invalid: "InvalidArgumentException", Explain: func(error) *awsapi.Error { return awsapi.Failure() },
		Ops: map[string]awsapi.Operation{
			"Name": {Path: "/name", Input: []awsapi.Field{title}, Do: func(_ context.Context, c *awsapi.Call) error {
				c.Out.Open("")
				c.Out.Text("Title", c.In.Text("Title"))
				c.Out.Close()
				return nil
			}},
			"Stop": {Path: "/stop", Do: func(context.Context, *awsapi.Call) error { return nil }},
			"Play": {Path: "/play", Input: []awsapi.Field{title}, Flow: func(ctx context.Context, c *awsapi.Call, f *awsapi.Flow) error {
				if err := f.Begin("audio/flac"); err != nil {
					return err
				}
				for range 4 {
					select {
					case <-time.After(100 * time.Millisecond):
					case <-ctx.Done():
						return ctx.Err()
					}
					if _, err := f.Write([]byte(c.In.Text("Title"))); err != nil {
						return err
					}
				}
				if c.In.Text("Title") == "scratched" {
					return awsapi.Failure()
				}
				return f.Flush()
			}},
			"Record": {Path: "/record", Upload: true, Flow: func(_ context.Context, c *awsapi.Call, f *awsapi.Flow) error {
				if c.Header("x-amzn-title") == "" {
					return awsapi.Fail("InvalidArgumentException", "No title.")
				}
				if err := f.Begin("application/json"); err != nil {
					return err
				}
				buf, n := make([]byte, 1000), 0
				for {
					m, err := f.Body.Read(buf)
					n += m
					fmt.Fprintln(f, n)
					f.Flush()
					if err != nil {
						fmt.Fprintln(f, err)
						return nil
					}
				}
			}},
		}}
}

func call(t *testing.T, url, path string, body io.Reader, hash string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if hash == "" {
		hash = payloadHash(t, r)
	} else {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if err := v4.NewSigner().SignHTTP(t.Context(), owner, r, hash, "parrot", "eu-central-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	a := answer{got.StatusCode, got.Header, string(text)}
	if err != nil {
		a.body += " torn"
	}
	return a
}

func TestOperationsWithPaths(t *testing.T) {
	_, url := open(t, func(c *awsapi.Config) { c.Services = append(c.Services, gramophone()) })
	call(t, url, "/name", strings.NewReader(`{"Title":"Blue"}`), "").wants(t, 200, `{"Title":"Blue"}`)
	call(t, url, "/stop", strings.NewReader(""), "").wants(t, 200, `{}`)
	a := call(t, url, "/name", strings.NewReader(`{}`), "")
	a.wants(t, 400, `{"Message":"1 validation error detected: Value null at 'title' failed to satisfy constraint: Member must not be null"}`)
	if a.header["X-Amzn-Errortype"][0] != "InvalidArgumentException" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", a.header)
	}
	if a := call(t, url, "/name", strings.NewReader(`{"Title":"Blue"}`), "UNSIGNED-PAYLOAD"); a.status != 403 {
		t.Errorf("a body that is not signed: %d %s", a.status, a.body)
	}
	got, err := http.Get(url + "/name")
	if err != nil || got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v, %v", got, err)
	}
	got.Body.Close()
}

func TestFlows(t *testing.T) {
	door, err := awsapi.New(awsapi.Config{Services: []awsapi.Service{gramophone()}, Keys: keys{keyID: secret}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := awsapi.NewServer(door)
	server.ReadTimeout, server.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond // shorter than what flows take
	done := make(chan struct{})
	go func() { server.Serve(l); close(done) }()
	t.Cleanup(func() { server.Close(); <-done })
	url := "http://" + l.Addr().String()
	call(t, url, "/play", strings.NewReader(`{"Title":"la"}`), "").wants(t, 200, "lalalala")
	if a := call(t, url, "/play", strings.NewReader(`{"Title":"scratched"}`), ""); !strings.HasSuffix(a.body, " torn") {
		t.Errorf("an answer that ends with an error looks whole: %q", a.body)
	}
	reader, writer := io.Pipe()
	go func() {
		for range 4 {
			writer.Write(make([]byte, 10))
			<-time.After(100 * time.Millisecond)
		}
		writer.Close()
	}()
	if a := call(t, url, "/record", reader, "UNSIGNED-PAYLOAD", "x-amzn-title", "x"); a.status != 200 || !strings.HasPrefix(a.body, "10\n20\n30\n40\n") || !strings.HasSuffix(a.body, "EOF\n") {
		t.Errorf("%d %q", a.status, a.body)
	}
	for hash, want := range map[string]string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": "EOF", // of nothing: who signs it knows not what comes
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad": "EOF", // of "abc"
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb": "the body is not the one that was signed",
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD":                               "is not accepted",
	} {
		if a := call(t, url, "/record", strings.NewReader("abc"), hash, "x-amzn-title", "x"); !strings.Contains(a.body, want) {
			t.Errorf("%s: %q", hash, a.body)
		}
	}
	if a := call(t, url, "/record", strings.NewReader("abc"), "UNSIGNED-PAYLOAD"); a.status != 400 || a.body != `{"Message":"No title."}` {
		t.Errorf("%d %s", a.status, a.body)
	}
}
