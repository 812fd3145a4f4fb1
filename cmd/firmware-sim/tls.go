package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"

	"github.com/spf13/pflag"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/enrol"
	"headgate/firmware-sim/fleet"
)

// security is how devices connect, as typed.
type security struct {
	tls     bool
	ca      string
	folder  string
	trusted *x509.CertPool
}

func (t *security) register(s *pflag.FlagSet) {
	s.BoolVar(&t.tls, "tls", false, "connect by TLS; --ca and --cert-dir imply it")
	s.StringVar(&t.ca, "ca", "", "file of authorities that the broker's certificate is checked by (default: the system's)")
	s.StringVar(&t.folder, "cert-dir", "", `folder of the devices' certificates, as "firmware-sim enrol" writes it`)
}

// read reads the authorities; on reports whether TLS is spoken at all.
func (t *security) read() (on bool, err error) {
	if t.ca != "" || t.folder != "" {
		t.tls = true
	}
	t.trusted, err = enrol.Trust(t.ca)
	return t.tls, err
}

// dial is how a device of a fleet connects.
func (t *security) dial() (fleet.Dial, error) {
	on, err := t.read()
	if err != nil || !on {
		return fleet.Plain, err
	}
	return func(ctx context.Context, id device.ID, address string) (net.Conn, error) {
		return enrol.Folder(t.folder).Dial(ctx, t.trusted, address, id.String())
	}, nil
}

// config is the TLS configuration of a device that has this name.
func (t *security) config(address, name string) (*tls.Config, error) {
	if t.folder == "" {
		return enrol.Config(address, t.trusted)
	}
	c, err := enrol.Folder(t.folder).Load(name)
	if err != nil {
		return nil, err
	}
	return enrol.Config(address, t.trusted, c)
}
