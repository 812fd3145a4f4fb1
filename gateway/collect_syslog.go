package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"time"

	"headgate/gateway/devices"
	"headgate/ingest/syslog"
	"headgate/shardlog"
)

func (g *Gateway) wireSyslog(writer shardlog.Writer) (err error) {
	if g.config.Syslog == off && g.config.SyslogTLS == off {
		return nil
	}
	c := syslog.Config{Writer: writer, Control: g.control, Log: g.log}
	if g.config.Syslog != off {
		c.UDP, c.TCP = []string{g.config.Syslog}, []string{g.config.Syslog}
	}
	if g.config.SyslogTLS != off {
		c.TLS = []string{g.config.SyslogTLS}
		if c.TLSConfig, err = g.syslogTLS(); err != nil {
			return err
		}
	}
	if g.config.InsecureLAN { // then whoever reaches the address may send
		c.Sources = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
	g.collection.syslog, err = syslog.New(c)
	return err
}

// syslogTLS is how syslog speaks TLS (RFC 5425): a sender that shows a
// certificate must be a device of the site, and may send from anywhere then.
func (g *Gateway) syslogTLS() (*tls.Config, error) {
	at, err := net.ResolveTCPAddr("tcp", g.config.SyslogTLS)
	if err != nil {
		return nil, err
	}
	c, err := g.tlsConfig(at)
	if err != nil {
		return nil, err
	}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		ctx, cancel := context.WithTimeout(hello.Context(), senderTime)
		defer cancel()
		signed, err := g.devices.Authorities(ctx)
		if err != nil {
			return nil, err
		}
		own := c.Clone()
		own.GetConfigForClient = nil
		own.ClientAuth, own.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
		for _, der := range signed {
			if authority, err := x509.ParseCertificate(der); err == nil {
				own.ClientCAs.AddCert(authority)
			}
		}
		own.Time = g.latest // the clock may wake up in 1970
		own.VerifyConnection = g.isDevice
		return own, nil
	}
	return c, nil
}

// senderTime bounds the look into the state while a sender shakes hands.
const senderTime = 5 * time.Second

// isDevice refuses a certificate of a device that is disabled or revoked.
func (g *Gateway) isDevice(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), senderTime)
	defer cancel()
	session, err := g.devices.Verify(ctx, devices.Connection{ClientID: state.PeerCertificates[0].Subject.CommonName, Certificates: state.PeerCertificates})
	if err != nil {
		return errors.Join(errors.New("verify sender"), err)
	}
	session.Close()
	return nil
}
