package gateway_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/gateway"
)

// TestTheAPIOverTLS puts and reads by the Go SDK and by the JavaScript SDK, as
// they are, once they know the gateway's authority; without it they refuse.
func TestTheAPIOverTLS(t *testing.T) {
	data := t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) { c.Open, c.APITLS = true, "127.0.0.1:0" })
	authority, err := gateway.Authority(data)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		t.Fatal("the authority is no PEM")
	}
	url := "https://" + g.Addresses().APITLS
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	over := 0
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := transport.RoundTrip(r)
		if err == nil {
			over = answer.ProtoMajor
		}
		return answer, err
	})}
	k := kinesis.New(kinesis.Options{BaseEndpoint: aws.String(url), Region: "eu-central-1", HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")})
	if _, err := k.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("telemetry"), PartitionKey: aws.String("a"), Data: []byte("b")}); err != nil {
		t.Fatal(err)
	}
	if over != 2 {
		t.Errorf("HTTP/%d", over)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("a client that does not know the authority trusts it")
	}
	folder := browsers(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "client.mjs")
	for name, text := range map[string]string{script: `import { KinesisClient, PutRecordCommand, ListStreamsCommand } from '@aws-sdk/client-kinesis'
const client = new KinesisClient({ endpoint: process.argv[2], region: 'eu-central-1', credentials: { accessKeyId: 'x', secretAccessKey: 'y' } })
const put = await client.send(new PutRecordCommand({ StreamName: 'telemetry', PartitionKey: 'k', Data: Buffer.from('x') }))
const { StreamNames } = await client.send(new ListStreamsCommand({}))
console.log(JSON.stringify({ put: put.SequenceNumber, StreamNames }))
client.destroy()
`, filepath.Join(dir, "ca.pem"): string(authority)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(folder, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", script, url)
	node.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+filepath.Join(dir, "ca.pem"))
	var complaints bytes.Buffer
	node.Stderr = &complaints
	out, err := node.Output()
	var seen struct {
		Put         string
		StreamNames []string
	}
	if err != nil || json.Unmarshal(out, &seen) != nil || seen.Put == "" || len(seen.StreamNames) == 0 {
		t.Errorf("node: %v, %s%s", err, out, complaints.Bytes())
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
