package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"headgate/shardlog"
)

// client asks one bucket. The service's own SDK would cost the binary two
// megabytes for nine operations.
type client struct {
	base   *url.URL // of the bucket, without a slash at the end
	region string
	who    aws.Credentials
	signer *v4.Signer
	http   *http.Client
}

func newClient(c Config) (*client, error) {
	endpoint, path := c.Endpoint, c.PathStyle || strings.Contains(c.Bucket, ".")
	if endpoint == "" {
		endpoint = "https://s3." + c.Region + ".amazonaws.com"
		if strings.HasPrefix(c.Region, "cn-") {
			endpoint += ".cn"
		}
	}
	base, err := url.Parse(endpoint)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		return nil, shardlog.Errorf(shardlog.Invalid, "open S3 sink", "the endpoint must be http:// or https:// and a host")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	if path {
		base.Path += "/" + c.Bucket
	} else {
		base.Host = c.Bucket + "." + base.Host
	}
	own := http.Client{}
	if c.Client != nil {
		own = *c.Client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a signature is good for one host
	return &client{base: base, region: c.Region, who: aws.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey},
		signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), http: &own}, nil
}

// request is one call: of an object, or of the bucket when it names none.
type request struct {
	method, key string
	query       url.Values
	header      http.Header
	body        []byte
	checked     bool // the body goes with its CRC-32
}

// Bounds of answers and of bodies.
const (
	mostAnswer = 8 << 20
	askFirst   = 2 << 20 // a longer body waits until the server says that it wants it
)

// do makes one call. The header of the answer comes back with its body, which
// has been read. What the service refuses comes back as *failure; after any
// other error nothing is known.
func (c *client) do(ctx context.Context, r request) (http.Header, []byte, error) {
	u := *c.base
	escaped := escape(u.Path)
	if r.key != "" {
		u.Path, escaped = u.Path+"/"+r.key, escaped+"/"+escape(r.key)
	}
	if u.Path == "" {
		u.Path, escaped = "/", "/"
	}
	u.RawPath, u.RawQuery = escaped, strings.ReplaceAll(r.query.Encode(), "+", "%20")
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.checked {
		req.Header.Set("X-Amz-Sdk-Checksum-Algorithm", "CRC32")
		req.Header.Set("X-Amz-Checksum-Crc32", checksum(r.body))
	}
	if len(r.body) > askFirst {
		req.Header.Set("Expect", "100-continue")
	}
	sum := sha256.Sum256(r.body)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	if err := c.signer.SignHTTP(ctx, c.who, req, hash, "s3", c.region, time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }); err != nil {
		return nil, nil, fmt.Errorf("sign request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, nil, failed(resp, content)
	}
	return resp.Header, content, nil
}

// checksum is the CRC-32 as S3 writes it.
func checksum(content []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(content)))
}

// escape writes a path as signatures have it: all but letters, digits, -._~ and
// slashes in hexadecimal.
func escape(path string) string {
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// failure is what the service answers when it does not do what was asked.
type failure struct {
	status        int
	code, message string
	after         time.Duration
}

// Error is code and message.
func (f *failure) Error() string { return fmt.Sprintf("%s (%d): %.300s", f.code, f.status, f.message) }

// refusal is an Error document.
type refusal struct {
	XMLName       xml.Name `xml:"Error"`
	Code, Message string
}

func failed(resp *http.Response, content []byte) *failure {
	var text refusal
	if xml.Unmarshal(content, &text) != nil || text.Code == "" {
		text.Code = strings.ReplaceAll(http.StatusText(resp.StatusCode), " ", "")
	}
	f := &failure{status: resp.StatusCode, code: text.Code, message: text.Message}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		f.after = time.Duration(seconds) * time.Second
	}
	return f
}
