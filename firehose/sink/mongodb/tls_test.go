package mongodb_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"headgate/firehose"
)

// encrypted lets TLS in and passes what comes out of it on to the server.
func encrypted(t *testing.T, server string, c *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer client.Close()
				s, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer s.Close()
				all.Go(func() { io.Copy(client, s); client.Close() })
				io.Copy(s, client)
			})
		}
	})
	return l.Addr().String()
}

// TestEncryption: a server is believed when our authorities vouch for it.
func TestEncryption(t *testing.T) {
	web := httptest.NewUnstartedServer(nil) // for its certificate: of example.com and 127.0.0.1
	web.StartTLS()
	defer web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	server := ferret(t)
	k := makeCollection(t, server, "encrypted")
	address := encrypted(t, server, &tls.Config{Certificates: web.TLS.Certificates})
	for name, one := range map[string]struct {
		tls  *tls.Config
		want firehose.Class
	}{
		"ours":      {&tls.Config{RootCAs: roots}, firehose.Delivered},
		"unknown":   {&tls.Config{}, firehose.Config},
		"another's": {&tls.Config{RootCAs: roots, ServerName: "another.example"}, firehose.Config},
	} {
		c := k.config()
		c.Hosts, c.TLS = []string{address}, one.tls
		s := open(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the driver tries again for as long as it may
		if r := s.Probe(ctx); r.Class != one.want {
			t.Errorf("%s: %s: %v", name, r.Class, r.Err)
		}
		cancel()
		if one.want == firehose.Delivered {
			deliver(t, s, batch(t, 1, `{"n":1}`))
		}
	}
	if n := len(k.all(t)); n != 1 {
		t.Errorf("%d documents", n)
	}
}
