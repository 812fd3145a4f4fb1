package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// secured speaks TLS on a listener, with the certificate of the configuration
// or one of the gateway's own, which browsers have to be told to trust.
func (g *Gateway) secured(l net.Listener) (net.Listener, error) {
	files := g.config.TLS
	if files.Certificate == "" {
		var err error
		if files, err = ownCertificate(filepath.Join(g.config.Data, "tls"), l.Addr()); err != nil {
			return nil, fmt.Errorf("make certificate: %w", err)
		}
	}
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate of https: %w", err)
	}
	return tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}), nil
}

// ownCertificate makes a certificate for the addresses of this box once. It is
// valid from long ago, for the clock may be wrong when it is made.
func ownCertificate(dir string, at net.Addr) (CertificateConfig, error) {
	files := CertificateConfig{Certificate: filepath.Join(dir, "certificate.pem"), Key: filepath.Join(dir, "key.pem")}
	if _, err := os.Stat(files.Certificate); err == nil {
		return files, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return files, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, err
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return files, err
	}
	host, _ := os.Hostname() // without one, addresses have to do
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: number, Subject: pkix.Name{CommonName: "headgate " + host}, NotBefore: from, NotAfter: from.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: addresses(at)}
	if host != "" {
		template.DNSNames = append(template.DNSNames, host, host+".local")
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return files, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return files, err
	}
	return files, errors.Join(os.MkdirAll(dir, 0o700),
		os.WriteFile(files.Key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(files.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
}

// addresses are those of this box, and where we listen.
func addresses(at net.Addr) []net.IP {
	all := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if tcp, ok := at.(*net.TCPAddr); ok && !tcp.IP.IsUnspecified() {
		all = append(all, tcp.IP)
	}
	here, _ := net.InterfaceAddrs() // without them the certificate fits fewer names
	for _, one := range here {
		if n, ok := one.(*net.IPNet); ok {
			all = append(all, n.IP)
		}
	}
	return all
}
