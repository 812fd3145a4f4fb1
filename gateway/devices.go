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
	"time"

	"headgate/gateway/devices"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// DevicesConfig says which devices may connect, and what they may do.
type DevicesConfig struct {
	// Required asks devices for who they are at the plain broker, too. Over TLS
	// they are always asked.
	Required bool           `yaml:"required"`
	Rules    []devices.Rule `yaml:"rules"` // which topics they may use; none: d/ID/#, spBv1.0/+/+/ID/#, and cmd/ID/# to subscribe to
}

func (g *Gateway) wireDevices() (err error) {
	g.devices, err = devices.New(devices.Config{States: g.states, Seals: g.seals, Rules: g.config.Devices.Rules, TopicBytes: maxDeviceTopic,
		Now: g.now, Trusted: g.clockTrusted, Latest: g.known})
	return err
}

// known is the latest time that is known to have been: that of the log, which a
// wall clock that is ahead does not change. A log that is empty knows none, and
// the wall clock has to do.
func (g *Gateway) known() time.Time {
	if at := g.store.Tail().Stamp; !at.IsZero() {
		return at
	}
	return g.now()
}

// maxDeviceTopic is the longest topic or filter of a device, in bytes.
const maxDeviceTopic = 256

// knows lets a device in by who it is.
func (g *Gateway) knows(ctx context.Context, l mqtt.Login) (mqtt.Guard, error) {
	if g.config.Open || l.TLS == nil && !g.config.Devices.Required {
		return nil, nil
	}
	c := devices.Connection{ClientID: l.ClientID, Username: l.Username, Password: l.Password}
	if l.TLS != nil {
		c.Certificates = l.TLS.PeerCertificates
	}
	session, err := g.devices.Verify(ctx, c)
	if err != nil {
		return nil, err
	}
	return guard{session}, nil
}

// guard is a device's session as the broker asks it.
type guard struct{ *devices.Session }

func (g guard) Publish(topic string) bool    { return g.ACL().Publish(topic) }
func (g guard) Subscribe(filter string) bool { return g.ACL().Subscribe(filter) }
func (g guard) Receive(topic string) bool    { return g.ACL().Receive(topic) }

// brokerTLS is how the broker speaks TLS: it asks for a certificate and leaves
// it to the devices' store to judge it, which knows how far the clock can be trusted.
func (g *Gateway) brokerTLS() (*tls.Config, error) {
	at, err := net.ResolveTCPAddr("tcp", g.config.MQTTS)
	if err != nil {
		return nil, err
	}
	c, err := g.tlsConfig(at)
	if err != nil {
		return nil, err
	}
	c.NextProtos, c.ClientAuth = []string{"mqtt"}, tls.RequestClientCert
	return c, nil
}

// enrolment is the door at which a device turns a claim code and a certificate
// request into a certificate. The code is the only secret: it is used once.
func (g *Gateway) enrolment(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxEnrolment)
	code, csr, err := claimOf(r)
	line := AuditLine{At: g.now().UTC(), Action: "headgate:devices:enrol", Source: r.RemoteAddr, Outcome: "ok"}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		line.Source = host
	}
	if err == nil {
		var issued devices.Issued
		if issued, err = g.devices.Claim(r.Context(), code, csr); err == nil {
			line.Resource = issued.Device
			g.audit.add(line, true)
			w.Header().Set("Content-Type", "application/x-pem-file")
			w.Header().Set("Headgate-Device", issued.Device)
			_, _ = w.Write(issued.Certificate) // the device may ask again
			return
		}
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
