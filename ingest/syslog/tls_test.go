package syslog_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"encoding/pem"

	"headgate/ingest/syslog"
)

// certificate is a self-signed one for 127.0.0.1, that may also be a client's.
func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func secure(change func(*syslog.Config), own tls.Certificate, clients *x509.CertPool) func(*rig, *syslog.Config) {
	return func(_ *rig, cfg *syslog.Config) {
		cfg.TLS = []string{"127.0.0.1:0"}
		cfg.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}}
		if clients != nil {
			cfg.TLSConfig.ClientAuth, cfg.TLSConfig.ClientCAs = tls.VerifyClientCertIfGiven, clients
		}
		if change != nil {
			change(cfg)
		}
	}
}

func TestTLS(t *testing.T) {
	own, roots := certificate(t, "gateway")
	r := start(t, secure(nil, own, nil))
	c, err := tls.Dial("tcp", r.tls, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, "36 <34>1 - plc7 ladder - - - two\nlines 20 <34>1 - plc7 x - - -")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	all, metas := r.records(t, 2)
	if string(all[0].Data) != "<34>1 - plc7 ladder - - - two\nlines " || metas[0].Transport != syslog.TLS || all[0].Key != "plc7" {
		t.Errorf("%q by %q, %+v", all[0].Data, all[0].Key, metas[0])
	}
	if s := r.Stats(); s.Cut != 0 || s.Received["tls"] != 2 {
		t.Errorf("stats %+v", s)
	}
}

// TestOpenSSL is a stream of lines by openssl s_client.
func TestOpenSSL(t *testing.T) {
	own, _ := certificate(t, "gateway")
	r := start(t, secure(nil, own, nil))
	tool(t, "<13>Nov 27 10:00:00 cam1 motion: seen\n<13>Nov 27 10:00:01 cam1 motion: gone\n",
		"openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", r.tls)
	all, metas := r.records(t, 2)
	if string(all[1].Data) != "<13>Nov 27 10:00:01 cam1 motion: gone" || metas[1].App != "motion" {
		t.Errorf("%q, %+v", all[1].Data, metas[1])
	}
}

// TestClientCertificate: from an address that may not send, a certificate
// opens the door, and nothing else does.
func TestClientCertificate(t *testing.T) {
	own, roots := certificate(t, "gateway")
	client, clients := certificate(t, "camera-17")
	r := start(t, secure(func(cfg *syslog.Config) {
		cfg.Sources = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	}, own, clients))

	c, err := tls.Dial("tcp", r.tls, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}})
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, "<13>1 - - app - - - x\n")
	_, metas := r.records(t, 1)
	if metas[0].Peer != "camera-17" || metas[0].KeyIsHost {
		t.Errorf("meta %+v", metas[0])
	}
	_ = c.Close() // done with it

	stranger, err := tls.Dial("tcp", r.tls, &tls.Config{RootCAs: roots})
	if err == nil {
		closed(t, stranger)
		_ = stranger.Close() // it is
	}
	closed(t, dial(t, "tcp", r.tcp))
	send(t, dial(t, "udp", r.udp), "<13>x")
	eventually(t, "denied", func() bool {
		s := r.Stats()
		return s.TurnedAway["denied"] == 2 && s.Dropped["denied"] == 1
	})
}

// TestNoTLS: plain text at the TLS door.
func TestNoTLS(t *testing.T) {
	own, _ := certificate(t, "gateway")
	r := start(t, secure(func(cfg *syslog.Config) { cfg.HandshakeTimeout = 50 * time.Millisecond }, own, nil))
	c := dial(t, "tcp", r.tls)
	send(t, c, "<13>secret\n")
	silent := dial(t, "tcp", r.tls)
	closed(t, silent)
	eventually(t, "turned away", func() bool { return r.Stats().TurnedAway["tls"] == 2 })
}

// TestPythonTLS is Python's ssl module with octet counting, for which its
// SysLogHandler has no option.
func TestPythonTLS(t *testing.T) {
	own, _ := certificate(t, "gateway")
	r := start(t, secure(nil, own, nil))
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "python3", "-c", `
import socket, ssl, sys
ctx = ssl.create_default_context(cafile=sys.argv[1])
s = ctx.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[2]))), server_hostname="127.0.0.1")
for i in range(1000):
    m = b"<13>1 - h a - - - %d" % i
    s.sendall(b"%d %s" % (len(m), m))
s.unwrap()
`, file, port(t, r.tls))
	r.records(t, 1000)
}
