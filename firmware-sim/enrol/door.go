package enrol

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Door is where a site signs certificates.
type Door struct {
	URL   string         // of the console over TLS: https://host:port
	Trust *x509.CertPool // nil: the system's
}

const (
	patience   = 30 * time.Second
	mostAnswer = 64 << 10 // bytes
)

// Refused is an answer of the door that is no certificate.
type Refused struct {
	Status int // of HTTP
	Reason string
}

// Error is what the door said.
func (r Refused) Error() string { return fmt.Sprintf("refused (%d): %s", r.Status, r.Reason) }

// Claim turns a claim code into a certificate and keeps it. The answer is the
// device's id, which the site chooses when name is empty. Refused when the site
// says no.
func (d Door) Claim(ctx context.Context, folder Folder, code, name string) (id string, err error) {
	key, csr, err := request(name)
	if err != nil {
		return "", err
	}
	id, chain, err := d.post(ctx, "/enrol", url.Values{"code": {code}, "csr": {string(csr)}}, nil)
	if err != nil {
		return "", fmt.Errorf("enrol %s: %w", name, err)
	}
	return id, folder.save(id, current, append(chain, key...))
}

// Renew gets the next certificate of a device, for a new key, by the one that it
// has. That one stays good, and stays in the folder, until Promote.
func (d Door) Renew(ctx context.Context, folder Folder, name string) error {
	old, err := folder.Load(name)
	if err != nil {
		return err
	}
	key, csr, err := request(name)
	if err != nil {
		return err
	}
	_, chain, err := d.post(ctx, "/enrol/renew", url.Values{"csr": {string(csr)}}, &old)
	if err != nil {
		return fmt.Errorf("renew %s: %w", name, err)
	}
	return folder.save(name, next, append(chain, key...))
}

// request makes a key and a certificate request for it, both PEM.
func request(name string) (key, csr []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	ask, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, private)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: ask}), nil
}

// post sends a form and answers the device's id and its certificate, PEM.
func (d Door) post(ctx context.Context, path string, form url.Values, old *tls.Certificate) (id string, chain []byte, err error) {
	config := &tls.Config{RootCAs: d.Trust, MinVersion: tls.VersionTLS12}
	if old != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return old, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(d.URL, "/")+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", nil, err
	}
	ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := (&http.Client{Transport: transport, Timeout: patience}).Do(ask)
	if err != nil {
		return "", nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return "", nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return "", nil, Refused{answer.StatusCode, strings.TrimSpace(string(text))}
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return "", nil, fmt.Errorf("the answer is no certificate: %.80q", text)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", nil, fmt.Errorf("the answer is no certificate: %w", err)
	}
	return leaf.Subject.CommonName, bytes.TrimLeft(text, "\n"), nil
}
