package storm_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headgate/firmware-sim/packet"
	"headgate/firmware-sim/storm"
)

// door answers CONNECT as a test wants it.
type door struct {
	addr    string
	tries   atomic.Int64 // CONNECTs that came in
	pings   atomic.Int64
	resumed atomic.Int64
}

// open opens a door; answer says what the nth CONNECT gets: a code, or -1 to
// close the connection; stay is how long it is kept then, zero for good.
func open(t *testing.T, secure *tls.Config, answer func(n int64) int, stay time.Duration) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{addr: listener.Addr().String()}
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { d.serve(conn, answer, stay) })
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return d
}

func (d *door) serve(conn net.Conn, answer func(int64) int, stay time.Duration) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	if r, err := packet.Read(in, 4096); err != nil || r.Type() != packet.CONNECT {
		return
	}
	code := answer(d.tries.Add(1))
	if code < 0 {
		return
	}
	if s, ok := conn.(*tls.Conn); ok && s.ConnectionState().DidResume {
		d.resumed.Add(1)
	}
	if _, err := conn.Write([]byte{0x20, 2, 0, byte(code)}); err != nil || code > 0 {
		return
	}
	if stay > 0 {
		conn.SetReadDeadline(time.Now().Add(stay))
	}
	for {
		r, err := packet.Read(in, 4096)
		if err != nil {
			return
		}
		if r.Type() == packet.PINGREQ {
			d.pings.Add(1)
			conn.Write([]byte{0xd0, 0})
		}
	}
}

func run(t *testing.T, conf storm.Config) storm.Report {
	t.Helper()
	s, err := storm.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	return s.Run(t.Context())
}

func always(int64) int { return 0 }

func TestAllGetIn(t *testing.T) {
	d := open(t, nil, always, 0)
	r := run(t, storm.Config{Address: d.addr, Devices: 300, Rounds: 2, Hold: 1200 * time.Millisecond, Seed: 1,
		Connect: func(int) packet.Connect { return packet.Connect{ClientID: "x", KeepAlive: 1} }})
	if !r.OK() || len(r.Rounds) != 2 || d.tries.Load() != 600 || d.pings.Load() < 600 {
		t.Errorf("%+v, %d connects, %d pings", r, d.tries.Load(), d.pings.Load())
	}
	for _, o := range r.Rounds {
		if o.Median <= 0 || o.P99 < o.Median || o.Max < o.P99 || o.Elapsed < o.Max || o.Failures != 0 {
			t.Errorf("%+v", o)
		}
	}
}

// A door that sends the first away has them come again; who gives up is counted.
func TestRefusalsAreTriedAgain(t *testing.T) {
	d := open(t, nil, func(n int64) int {
		switch {
		case n <= 20:
			return -1
		case n <= 30:
			return 3
		}
		return 0
	}, 0)
	r := run(t, storm.Config{Address: d.addr, Devices: 40, Seed: 2})
	if o := r.Rounds[0]; !r.OK() || o.Failures != 30 || o.Causes["refused: server unavailable"] != 10 || o.Connected != 40 {
		t.Errorf("%+v", r)
	}
	no := open(t, nil, func(int64) int { return 5 }, 0)
	r = run(t, storm.Config{Address: no.addr, Devices: 10, Tries: 2, Seed: 3})
	if o := r.Rounds[0]; r.OK() || o.Connected != 0 || o.Failures != 20 || o.Causes["refused: not authorized"] != 20 {
		t.Errorf("%+v", r)
	}
}

func TestLostConnectionsAreCounted(t *testing.T) {
	d := open(t, nil, always, 100*time.Millisecond)
	r := run(t, storm.Config{Address: d.addr, Devices: 10, Hold: time.Second})
	if r.OK() || r.Rounds[0].Lost != 10 || r.Rounds[0].Connected != 10 {
		t.Errorf("%+v", r)
	}
}

func TestTLSAndResumption(t *testing.T) {
	server, trust := certificate(t)
	d := open(t, server, always, 0)
	client := &tls.Config{RootCAs: trust, ServerName: "127.0.0.1"}
	r := run(t, storm.Config{Address: d.addr, Devices: 30, Rounds: 2, Hold: 200 * time.Millisecond,
		TLS: storm.Each(func(int) *tls.Config { return client }, true)})
	if !r.OK() || !r.TLS || d.resumed.Load() != 30 {
		t.Errorf("%+v, %d resumed", r, d.resumed.Load())
	}
	r = run(t, storm.Config{Address: d.addr, Devices: 2, Tries: 1, TLS: func(int) *tls.Config { return &tls.Config{ServerName: "127.0.0.1"} }})
	if r.OK() || r.Rounds[0].Failures != 2 {
		t.Errorf("a broker that nobody vouches for was believed: %+v", r)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]storm.Config{
		"address": {Address: "nowhere"}, "devices": {Address: "a:1", Devices: 1e6}, "rate": {Address: "a:1", Rate: -1},
	} {
		if _, err := storm.New(c); !errors.Is(err, storm.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// certificate is a server that signs for itself.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}, pool
}
