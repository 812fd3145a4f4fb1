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
	"slices"
	"sync"
	"time"

	"headgate/shardlog"
)

// secured speaks TLS on a listener, with the certificate of the configuration
// or one that the gateway's own authority signs; it asks devices for theirs.
func (g *Gateway) secured(l net.Listener, devices bool) (net.Listener, error) {
	config, err := g.tlsConfig(l.Addr())
	if err != nil {
		return nil, err
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	if devices {
		g.askDevices(config)
	}
	return tls.NewListener(l, config), nil
}

// tlsConfig is how a door at that address shows who it is.
func (g *Gateway) tlsConfig(at net.Addr) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if files := g.config.TLS; files.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
		return config, nil
	}
	authority, err := openWebAuthority(g.config.Data)
	if err != nil {
		return nil, err
	}
	leaf := &ownLeaf{authority: authority, at: at, now: g.now}
	config.GetCertificate = leaf.certificate
	return config, nil
}

// webAuthority signs what browsers and SDKs see: theirs know no Ed25519, which
// the site's authority has.
type webAuthority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	raw         []byte
}

// Times of certificates. Apple's systems trust no leaf of more than 825 days.
const (
	authorityYears = 20
	leafTime       = 820 * 24 * time.Hour
	leafRenew      = 30 * 24 * time.Hour // before it ends
)

// madeIn is before any gateway was made: a clock that shows less is wrong.
func madeIn() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// AuthorityFile is the certificate of the authority that signs for TLS, in a
// data folder.
func AuthorityFile(data string) string { return filepath.Join(data, "tls", "authority.pem") }

// Authority is that certificate as PEM; the authority is made when it is not
// there.
func Authority(data string) ([]byte, error) {
	a, err := openWebAuthority(data)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.raw}), nil
}

func openWebAuthority(data string) (*webAuthority, error) {
	keyFile := filepath.Join(data, "tls", "authority-key.pem")
	certificate, err := readPEM(AuthorityFile(data))
	if errors.Is(err, os.ErrNotExist) {
		return makeWebAuthority(AuthorityFile(data), keyFile)
	}
	if err != nil {
		return nil, err
	}
	key, err := readPEM(keyFile)
	if err != nil {
		return nil, err
	}
	a := &webAuthority{raw: certificate}
	if a.certificate, err = x509.ParseCertificate(certificate); err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	if a.key, err = x509.ParseECPrivateKey(key); err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	return a, nil
}

func readPEM(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, shardlog.Errorf(shardlog.Corrupt, "read authority", "%s holds no PEM: move the folder away, and another authority is made", name)
	}
	return block.Bytes, nil
}

func makeWebAuthority(file, keyFile string) (*webAuthority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname() // without one the name says less
	template := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "Headgate authority " + host}, NotBefore: madeIn(), NotAfter: madeIn().AddDate(authorityYears, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o700),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o644))
	if err != nil {
		return nil, fmt.Errorf("keep authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(raw)
	return &webAuthority{key: key, certificate: certificate, raw: raw}, err
}

// serial is 120 random bits.
func serial() *big.Int {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return new(big.Int).SetBytes(b[:])
}

// ownLeaf is the certificate of one listener. It is signed when it is asked
// for, and again when it nears its end, the clock was set, or the box got
// other addresses.
type ownLeaf struct {
	authority *webAuthority
	at        net.Addr
	now       func() time.Time

	mu    sync.Mutex
	pair  *tls.Certificate // guarded by mu
	look  time.Time        // guarded by mu: when addresses were looked at
	names []string         // guarded by mu
}

func (l *ownLeaf) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if now.Before(madeIn()) {
		now = madeIn()
	}
	if l.pair != nil && !now.Before(l.pair.Leaf.NotBefore) && now.Before(l.pair.Leaf.NotAfter.Add(-leafRenew)) {
		if age := now.Sub(l.look); age >= 0 && age < time.Minute {
			return l.pair, nil
		}
		l.look = now
		if slices.Equal(l.names, texts(addresses(l.at))) {
			return l.pair, nil
		}
	}
	pair, err := l.sign(now)
	if err == nil {
		l.pair = pair
	}
	return pair, err
}

// sign makes the certificate. It is called with mu held.
func (l *ownLeaf) sign(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname() // without one, addresses have to do
	all := addresses(l.at)
	template := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "headgate " + host}, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(leafTime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: all}
	if host != "" {
		template.DNSNames = append(template.DNSNames, host, host+".local")
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, l.authority.certificate, key.Public(), l.authority.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	l.names, l.look = texts(all), now
	return &tls.Certificate{Certificate: [][]byte{raw, l.authority.raw}, PrivateKey: key, Leaf: leaf}, nil
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

func texts(all []net.IP) []string {
	var names []string
	for _, ip := range all {
		names = append(names, ip.String())
	}
	slices.Sort(names)
	return slices.Compact(names)
}
