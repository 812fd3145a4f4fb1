package devices

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"

	"headgate/shardlog"
)

// request is a certificate signing request whose signature was checked.
type request struct {
	name        string // the common name, "" for none
	key         any
	fingerprint string
}

const maxRequest = 16 << 10 // bytes

// parseRequest reads a certificate signing request (PKCS #10, RFC 2986), in
// PEM or in DER. Only its key and its common name are made use of; one that
// asks for another name or for the rights of an authority is refused all the
// same, because whoever wrote it expects what it does not get. Kind Invalid.
func parseRequest(text []byte) (request, error) {
	if len(text) > maxRequest {
		return request{}, badRequest("it has %d bytes, %d are allowed", len(text), maxRequest)
	}
	der := text
	if block, _ := pem.Decode(text); block != nil {
		if block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
			return request{}, badRequest("it is a %.40q: send what openssl req -new writes", block.Type)
		}
		der = block.Bytes
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return request{}, badRequest("it cannot be read: %w", err)
	}
	r := request{name: csr.Subject.CommonName, key: csr.PublicKey, fingerprint: fingerprintOf(csr.RawSubjectPublicKeyInfo)}
	if err := checkKey(csr.PublicKey); err != nil {
		return request{}, err
	}
	if err := csr.CheckSignature(); err != nil {
		return request{}, badRequest("its signature is wrong: %w", err)
	}
	return r, r.checkNames(csr)
}

func checkKey(key any) error {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	}
	return badRequest("its key must be ECDSA P-256 or Ed25519")
}

func (r request) checkNames(csr *x509.CertificateRequest) error {
	names := 0
	for _, n := range csr.Subject.Names {
		if n.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
			names++
		}
	}
	if names > 1 {
		return badRequest("it has %d common names", names)
	}
	if r.name != "" && !IsDeviceID(r.name) {
		return badRequest("its common name %.80q cannot be the id of a device", r.name)
	}
	for _, name := range csr.DNSNames {
		if name != r.name {
			return badRequest("it asks for the name %.80q beside its common name", name)
		}
	}
	if len(csr.EmailAddresses)+len(csr.IPAddresses)+len(csr.URIs) > 0 {
		return badRequest("it asks for addresses as names, a device has only its id")
	}
	for _, e := range csr.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 19}) {
			continue
		}
		var basic struct {
			CA     bool `asn1:"optional"`
			MaxLen int  `asn1:"optional,default:-1"`
		}
		if rest, err := asn1.Unmarshal(e.Value, &basic); err != nil || len(rest) > 0 || basic.CA {
			return badRequest("it asks to be an authority")
		}
	}
	return nil
}

func badRequest(format string, args ...any) error {
	return shardlog.Errorf(shardlog.Invalid, "read certificate request", format, args...)
}
