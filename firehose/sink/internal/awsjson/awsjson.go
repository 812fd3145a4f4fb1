// Package awsjson calls AWS services that speak JSON 1.1: one signed request,
// one answer. It knows no operation. The services' own SDKs would cost the
// binary some two megabytes each for two operations.
package awsjson

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"headgate/shardlog"
)

// Config names a service and who calls it.
type Config struct {
	Service   string // as signatures and host names have it: kinesis
	Target    string // what stands before an operation's name: Kinesis_20131202
	Region    string // empty: us-east-1
	Endpoint  string // empty: Amazon's; else a URL
	AccessKey string
	SecretKey string
	Client    *http.Client // nil: http.DefaultClient
}

// mostAnswer bounds what is read of an answer.
const mostAnswer = 8 << 20

// Client calls one service. It is safe for concurrent use.
type Client struct {
	c      Config
	signer *v4.Signer
}

// Open makes a client; it asks nobody yet. Kind Invalid.
func Open(c Config) (*Client, error) {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	if c.Endpoint == "" {
		c.Endpoint = "https://" + c.Service + "." + c.Region + ".amazonaws.com"
		if strings.HasPrefix(c.Region, "cn-") {
			c.Endpoint += ".cn"
		}
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open sink", "the endpoint must be http:// or https:// and a host")
	}
	return &Client{c, v4.NewSigner()}, nil
}

// Error is what a service answers when it does not do what was asked.
type Error struct {
	Status  int
	Code    string // ThrottlingException
	Message string
}

// Error is code and message.
func (e *Error) Error() string { return fmt.Sprintf("%s (%d): %.300s", e.Code, e.Status, e.Message) }

// Do calls an operation with in as its JSON, and reads the answer into out,
// which may be nil. What the service refuses comes back as *Error; after any
// other error nothing is known.
func (c *Client) Do(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.c.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", c.c.Target+"."+operation)
	sum := sha256.Sum256(body)
	who := aws.Credentials{AccessKeyID: c.c.AccessKey, SecretAccessKey: c.c.SecretKey}
	if err := c.signer.SignHTTP(ctx, who, req, hex.EncodeToString(sum[:]), c.c.Service, c.c.Region, time.Now()); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	resp, err := c.c.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp, content)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(content, out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// refusal reads an error: its code is the type's name, without a namespace
// before it or a URL behind it ("Operation error serialization", Smithy's AWS
// JSON 1.1 protocol).
func refusal(resp *http.Response, content []byte) *Error {
	var text struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"`
		Capital string `json:"Message"`
	}
	_ = json.Unmarshal(content, &text) // what is no JSON has no code
	code := resp.Header.Get("X-Amzn-Errortype")
	for _, other := range []string{text.Type, text.Code} {
		if code == "" {
			code = other
		}
	}
	code, _, _ = strings.Cut(code, ":")
	code = code[strings.LastIndex(code, "#")+1:]
	if text.Message == "" {
		text.Message = text.Capital
	}
	return &Error{resp.StatusCode, code, text.Message}
}
