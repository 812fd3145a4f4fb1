package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"headgate/gateway/devices"
	"headgate/ingest/mqtt"
)

// DevicesConfig says which devices may connect, and what they may do.
type DevicesConfig struct {
	// Required asks devices for who they are at the plain broker, too. Over TLS
	// they are always asked.
	Required bool           `yaml:"required"`
	Rules    []devices.Rule `yaml:"rules"`   // which topics they may use; none: devices.DefaultRules
	Limits   DeviceLimits   `yaml:"limits"`  // what one may publish, and how many may connect
	Origins  []string       `yaml:"origins"` // of pages that may connect by WebSocket from other sites: https://app.example, "*"
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
	if l.TLS == nil && (g.config.Open || !g.config.Devices.Required) {
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
