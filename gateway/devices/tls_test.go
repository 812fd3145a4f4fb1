package devices_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

// openssl runs Debian's openssl in a folder.
func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		missing(t, "no openssl here")
	}
	c := exec.Command(path, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The whole way of a device: a key and a request by openssl, a claim, a
// connection with TLS, and openssl's own opinion of the certificate.
func TestOpensslEnrolsAndConnects(t *testing.T) {
	for name, newkey := range map[string][]string{
		"p256":    {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"},
		"ed25519": {"-newkey", "ed25519"},
	} {
		t.Run(name, func(t *testing.T) {
			r, dir := newRig(t), t.TempDir()
			code, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Device: "press-7"})
			if err != nil {
				t.Fatal(err)
			}
			openssl(t, dir, append([]string{"req", "-new", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/O=Works/CN=press-7", "-addext", "subjectAltName=DNS:press-7"}, newkey...)...)
			csr, err := os.ReadFile(filepath.Join(dir, "csr.pem"))
			if err != nil {
				t.Fatal(err)
			}
			issued, err := r.store.Claim(t.Context(), code.Text(), csr)
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string][]byte{"cert.pem": issued.Certificate, "ca.pem": issued.Authorities} {
				if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			at := []string{"-attime", "1795780800"} // 2026-11-27
			if out := openssl(t, dir, append(append([]string{"verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.pem"}, at...), "cert.pem")...); !strings.Contains(out, "cert.pem: OK") {
				t.Error(out)
			}
			if out := openssl(t, dir, "x509", "-in", "cert.pem", "-noout", "-text"); !strings.Contains(out, "Subject: CN = press-7") || !strings.Contains(out, "TLS Web Client Authentication") || !strings.Contains(out, "CA:FALSE") {
				t.Error(out)
			}
			device, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
			if err != nil {
				t.Fatal(err)
			}
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				shown := r.handshake(device, version)
				session := r.in(r.store, devices.Connection{ClientID: "press-7", Certificates: shown})
				if session.Device() != "press-7" {
					t.Error(session.Device())
				}
			}
			if _, err := r.store.Revoke(t.Context(), "press-7"); err != nil {
				t.Fatal(err)
			}
			r.out(r.store, devices.Connection{ClientID: "press-7", Certificates: r.handshake(device, tls.VersionTLS13)}, shardlog.Denied)
		})
	}
}

// handshake is what a TLS server that names our authorities gets of a client.
func (r *rig) handshake(device tls.Certificate, version uint16) []*x509.Certificate {
	t := r.t
	t.Helper()
	authorities, err := r.store.Authorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hint := x509.NewCertPool()
	for _, raw := range authorities {
		ca, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		hint.AddCert(ca)
	}
	key := newKey(t)
	_, leaf := newRig(t).claim(devices.ClaimOrder{Device: "server"}, key, "server")
	server := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}},
		ClientAuth:   tls.RequestClientCert, ClientCAs: hint, MinVersion: tls.VersionTLS12,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		c, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
			InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
			Certificates: []tls.Certificate{device}, // sent because the server names its authority
		})
		if err == nil {
			err = c.Close()
		}
		done <- err
	}()
	raw, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Server(raw, server)
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	shown := c.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		t.Fatal("the client showed no certificate")
	}
	return shown
}

// missing skips a test for want of a program, where deploy/test has not
// installed it.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
