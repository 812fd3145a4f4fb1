package devices

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"time"

	"headgate/shardlog"
)

// Issued is a certificate that was signed for a device.
type Issued struct {
	Device      string    `json:"device"`
	Serial      string    `json:"serial"`
	NotAfter    time.Time `json:"notAfter,omitzero"` // zero: counted from its first use when the clock is trusted
	Certificate []byte    `json:"certificate"`       // PEM
	Authorities []byte    `json:"authorities"`       // PEM: who signs for the devices of this site
}

// backdate is how long before it was signed a certificate begins: other clocks
// may be behind.
const backdate = time.Hour

// issue signs a certificate for a device.
//
// While the clock is not trusted nobody can say when 90 days are over. The
// certificate then has no end of its own (RFC 5280, 4.1.2.5), and the row gets
// one when it is first used after the clock is trusted.
func (s *Store) issue(all *authorities, id string, r request) (Issued, paper, error) {
	ca := all.list[0]
	if ca.key == nil {
		return Issued{}, paper{}, shardlog.Errorf(shardlog.Corrupt, "issue certificate",
			"the key of the device authority cannot be opened: it was sealed with another seal (give that one back, or make a new authority)")
	}
	now, trusted := s.clock()
	now = now.Truncate(time.Second)
	p := paper{Fingerprint: r.fingerprint, Issued: now}
	from, to := ages()
	if trusted {
		p.Ends = now.Add(s.c.CertificateLife)
		from, to = now.Add(-backdate), p.Ends
	}
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject:               pkix.Name{CommonName: id},
		NotBefore:             from,
		NotAfter:              to,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}, ca.certificate, r.key, ca.key)
	if err != nil {
		return Issued{}, paper{}, shardlog.Errorf(shardlog.Internal, "issue certificate", "%w", err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return Issued{}, paper{}, shardlog.Errorf(shardlog.Internal, "issue certificate", "%w", err)
	}
	p.Serial = serialOf(leaf)
	var chain bytes.Buffer
	for _, a := range all.list {
		chain.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}))
	}
	return Issued{
		Device: id, Serial: p.Serial, NotAfter: p.Ends,
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		Authorities: chain.Bytes(),
	}, p, nil
}

// add puts a certificate behind the one in use; one that waits there was never
// used, and goes.
func (r *row) add(p paper) {
	r.Certificates = append(r.Certificates[:min(len(r.Certificates), most-1)], p)
}
