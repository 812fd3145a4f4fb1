package enrol

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"headgate/firmware-sim/packet"
)

// Trust reads the authorities in a file of PEM; the system's when path is empty.
func Trust(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read authorities: no certificate in %s", path)
	}
	return pool, nil
}

// Config is how a device that shows this certificate speaks TLS to a broker at
// host:port.
func Config(address string, trust *x509.CertPool, certificates ...tls.Certificate) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: trust, ServerName: host, Certificates: certificates, MinVersion: tls.VersionTLS12, NextProtos: []string{"mqtt"}}, nil
}

// Rotate renews the certificate of a device at the door, connects once to the
// broker by the new one, and then puts it in the old one's place. A new one
// that an earlier Rotate left is tried first: its first use may have ended the
// old one. On an error the old certificate is what it was.
func Rotate(ctx context.Context, d Door, folder Folder, broker, name string) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if left, err := folder.Next(name); err == nil && connects(ctx, d.Trust, broker, name, left) == nil {
		return folder.Promote(name)
	}
	if err := d.Renew(ctx, folder, name); err != nil {
		return err
	}
	c, err := folder.Next(name)
	if err != nil {
		return err
	}
	if err := connects(ctx, d.Trust, broker, name, c); err != nil {
		return fmt.Errorf("connect by the new certificate: %w", err)
	}
	return folder.Promote(name)
}

// connects makes one connection by a certificate.
func connects(ctx context.Context, trust *x509.CertPool, broker, name string, c tls.Certificate) error {
	conn, err := dial(ctx, trust, broker, c)
	if err != nil {
		return err
	}
	m, err := packet.Open(ctx, conn, packet.Connect{ClientID: name, KeepAlive: 60})
	if err != nil {
		return err
	}
	return m.Close()
}

// Dial connects to a broker by TLS with what the folder holds of a device now;
// an empty folder name shows no certificate.
func (f Folder) Dial(ctx context.Context, trust *x509.CertPool, address, name string) (net.Conn, error) {
	if f == "" {
		return dial(ctx, trust, address)
	}
	c, err := f.Load(name)
	if err != nil {
		return nil, err
	}
	return dial(ctx, trust, address, c)
}

func dial(ctx context.Context, trust *x509.CertPool, address string, certificates ...tls.Certificate) (net.Conn, error) {
	config, err := Config(address, trust, certificates...)
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience, KeepAlive: -1}, Config: config}
	return dialer.DialContext(ctx, "tcp", address)
}
