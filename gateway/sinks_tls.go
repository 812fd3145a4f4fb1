package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"headgate/shardlog"
)

// TLSConfig is how a connection to a destination is secured, by files in PEM.
type TLSConfig struct {
	CA          string `yaml:"ca"`          // authorities besides the system's
	Certificate string `yaml:"certificate"` // ours, for servers that ask for one
	Key         string `yaml:"key"`         // of the certificate
}

func (c *TLSConfig) check() error {
	if c != nil && (c.Certificate == "") != (c.Key == "") {
		return Fault{"tls", "certificate and key go together"}
	}
	return nil
}

// open reads the files. Nil is no TLS.
func (c *TLSConfig) open() (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "read certificates", "tls.ca: %w", err)
		}
		if t.RootCAs, err = x509.SystemCertPool(); err != nil {
			t.RootCAs = x509.NewCertPool()
		}
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, shardlog.Errorf(shardlog.Invalid, "read certificates", "tls.ca: %s holds none", c.CA)
		}
	}
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, shardlog.Errorf(shardlog.Invalid, "read certificates", "tls.certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
