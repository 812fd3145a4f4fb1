package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

// enrolment is the door at which a device turns a claim code and a certificate
// request into a certificate. The code is the only secret: it is used once.
func (g *Gateway) enrolment(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxEnrolment)
	code, csr, err := claimOf(r)
	var issued devices.Issued
	if err == nil {
		issued, err = g.devices.Claim(r.Context(), code, csr)
	}
	g.answerIssued(w, r, "headgate:devices:enrol", issued, err)
}

// renewal is the door at which a device gets its next certificate by the one
// that it has, which the TLS connection has shown. That one is good until the
// new one was used.
func (g *Gateway) renewal(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxEnrolment)
	_, csr, err := claimOf(r)
	var issued devices.Issued
	if err == nil {
		var shown []*x509.Certificate
		if r.TLS != nil {
			shown = r.TLS.PeerCertificates
		}
		issued, err = g.devices.Renew(r.Context(), shown, csr)
	}
	g.answerIssued(w, r, "headgate:devices:renew", issued, err)
}

// answerIssued tells the audit and the device what came of its request.
func (g *Gateway) answerIssued(w http.ResponseWriter, r *http.Request, action string, issued devices.Issued, err error) {
	line := AuditLine{At: g.now().UTC(), Action: action, Source: r.RemoteAddr, Outcome: "ok"}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		line.Source = host
	}
	if err == nil {
		line.Resource = issued.Device
		g.audit.add(line, true)
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Header().Set("Headgate-Device", issued.Device)
		_, _ = w.Write(issued.Certificate) // the device may ask again
		return
	}
	line.Outcome = shardlog.KindOf(err).String()
	g.audit.add(line, false)
	status := http.StatusForbidden
	switch shardlog.KindOf(err) {
	case shardlog.Invalid:
		status = http.StatusBadRequest
	case shardlog.InUse, shardlog.Conflict:
		status = http.StatusConflict
	case shardlog.Unavailable, shardlog.Unknown, shardlog.Full:
		w.Header().Set("Retry-After", "5")
		status = http.StatusServiceUnavailable
	case shardlog.Internal, shardlog.Corrupt:
		status = http.StatusInternalServerError
		err = errors.New("the gateway cannot sign now: see its log")
	}
	http.Error(w, err.Error(), status)
}

// askDevices makes a TLS server ask for the certificate of a device. It names
// the devices' authorities, so that a browser, which has none of theirs, does
// not ask its user for one; before there is an authority nobody is asked.
func (g *Gateway) askDevices(base *tls.Config) {
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		all, err := g.authorities(hello.Context())
		if err != nil || all == nil {
			return nil, nil // the others still get in
		}
		asking := base.Clone()
		asking.GetConfigForClient = nil
		asking.ClientAuth, asking.ClientCAs = tls.RequestClientCert, all
		return asking, nil
	}
}

// authorities are those who sign for devices, nil when there are none yet.
func (g *Gateway) authorities(ctx context.Context) (*x509.CertPool, error) {
	all, err := g.devices.Authorities(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, raw := range all {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, err
		}
		pool.AddCert(c)
	}
	return pool, nil
}

// maxEnrolment bounds a claim with its request.
const maxEnrolment = 64 << 10

// claimOf reads the fields code and csr, of any form.
func claimOf(r *http.Request) (code string, csr []byte, err error) {
	bad := func(why string) (string, []byte, error) {
		return "", nil, shardlog.Errorf(shardlog.Invalid, "enrol", "%s: send the fields code and csr (PEM)", why)
	}
	if err := r.ParseMultipartForm(maxEnrolment); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return bad("the form cannot be read")
	}
	code, csr = r.PostFormValue("code"), []byte(r.PostFormValue("csr"))
	if len(csr) == 0 {
		file, _, err := r.FormFile("csr")
		if err != nil {
			return bad("there is no request")
		}
		defer file.Close()
		if csr, err = io.ReadAll(file); err != nil {
			return bad("the request cannot be read")
		}
	}
	if block, _ := pem.Decode(csr); block != nil {
		if _, err := x509.ParseCertificateRequest(block.Bytes); err != nil {
			return bad("csr is no certificate request")
		}
	}
	return strings.TrimSpace(code), csr, nil
}
