package mqtt_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"iter"
	"math/big"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/firehose/sink/mqtt"
	"headgate/firehose/sinktest"
	"headgate/shardlog"
)

func TestAWrongPasswordIsAnAuthError(t *testing.T) {
	b := open(t)
	b.password = "wrong"
	if r := b.Sink(t).Probe(t.Context()); r.Class != firehose.Auth {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

// authority is a certificate that signs others, and one for 127.0.0.1.
func authority(t *testing.T) (pool *x509.CertPool, ca, certificate, key string, pair tls.Certificate) {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &signer.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	if pair, err = tls.X509KeyPair(text, secret); err != nil {
		t.Fatal(err)
	}
	pool, folder := x509.NewCertPool(), t.TempDir()
	pool.AppendCertsFromPEM(text)
	ca = write(t, folder, "ca.pem", string(text))
	return pool, ca, ca, write(t, folder, "key.pem", string(secret)), pair
}

// TestTLS: a broker whose authority is not ours is for people to look at, and
// so is one that wants a certificate of us.
func TestTLS(t *testing.T) {
	pool, ca, certificate, key, pair := authority(t)
	secure := sinktest.FreeAddress(t)
	host, port, _ := net.SplitHostPort(secure)
	b := open(t, fmt.Sprintf("listener %s %s\ncafile %s\ncertfile %s\nkeyfile %s\nrequire_certificate true", port, host, ca, certificate, key))
	for name, c := range map[string]struct {
		tls  *tls.Config
		want firehose.Class
	}{
		"the right ones": {&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}, firehose.Delivered},
		"a wrong CA":     {&tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair}}, firehose.Config},
		"no certificate": {&tls.Config{RootCAs: pool}, firehose.Auth},
	} {
		to := b.to()
		to.Brokers, to.TLS = []string{"mqtts://" + secure}, c.tls
		if r := sink(t, to).Deliver(t.Context(), sinktest.Documents(encoder(t), "t", 10, 100)); r.Class != c.want {
			t.Errorf("%s: %s: %v", name, r.Class, r.Err)
		}
	}
	if n := len(b.Documents(t)); n != 10 {
		t.Errorf("%d messages arrived", n)
	}
}

func TestASecondBrokerTakesOver(t *testing.T) {
	b := open(t)
	to := b.to()
	to.Brokers = []string{"mqtt://" + sinktest.FreeAddress(t), to.Brokers[0]}
	if r := sink(t, to).Deliver(t.Context(), sinktest.Documents(encoder(t), "t", 10, 100)); !r.Done() {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

func TestABrokerOf311(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = io.ReadFull(conn, make([]byte, 10))
			_, _ = conn.Write([]byte{0x20, 2, 0, 1})
		}
	}()
	if r := sink(t, mqtt.Config{Brokers: []string{"mqtt://" + l.Addr().String()}, ClientID: "x"}).Probe(t.Context()); r.Class != firehose.Config {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

// TestRefusals: what an ACL or a limit of the broker refuses of a batch goes
// to the error output; a batch that is refused whole is held.
func TestRefusals(t *testing.T) {
	acl := write(t, t.TempDir(), "acl", "user gate\ntopic read #\ntopic write s/device-0\ntopic write s/device-1\n")
	b := open(t, "acl_file "+acl, "max_packet_size 5000", "max_inflight_messages 5")
	r := b.Sink(t).Deliver(t.Context(), sinktest.Documents(encoder(t), "some", 300, 100))
	if r.Class != firehose.Poison || len(r.Items) != 100 || r.Items[0].Seq != 2 || r.Items[0].Code != "MQTT.0x87" {
		t.Errorf("%s: %v %v", r.Class, r.Err, r.Items)
	}
	distinct := map[string]bool{} // Mosquitto 2.0.11 hangs up after each denial
	for _, id := range b.Documents(t) {
		distinct[id] = true
	}
	if len(distinct) != 200 {
		t.Errorf("%d messages arrived", len(distinct))
	}
	one := sinktest.Documents(encoder(t), "denied", 2, 100)
	all := one.Records
	one.Records = func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			for r, err := range all(ctx) {
				if r.Key = "device-2"; !yield(r, err) {
					return
				}
			}
		}
	}
	if r := b.Sink(t).Deliver(t.Context(), sinktest.Sealed(one)); r.Class != firehose.Auth {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	if r := b.Sink(t).Deliver(t.Context(), sinktest.Documents(encoder(t), "long", 1, 6000)); r.Class != firehose.Poison || len(r.Items) != 1 || r.Items[0].Code != "MQTT.0x95" {
		t.Errorf("%s: %v %v", r.Class, r.Err, r.Items)
	}
}

// TestWhatAMessageWas: a bridge hands on topic, retain flag and properties.
func TestWhatAMessageWas(t *testing.T) {
	b := open(t)
	to := b.to()
	to.Topic, to.Remove, to.Retain, to.Properties = "hq/north/{topic}", "plant/", true, true
	to.Origin = func(r shardlog.Record) (mqtt.Origin, bool) {
		return mqtt.Origin{Topic: "plant/line/1", Retain: true, Text: true, ContentType: "application/json", ResponseTopic: "plant/answers", Correlation: []byte("c7"),
			User: []mqtt.Property{{Name: "unit", Value: "C"}}}, r.Seq == 1
	}
	batch := sinktest.Documents(encoder(t), "p", 2, 100)
	if r := sink(t, to).Deliver(t.Context(), batch); !r.Done() {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	host, port, _ := net.SplitHostPort(b.address)
	out, err := exec.Command("mosquitto_sub", "-V", "mqttv5", "-h", host, "-p", port, "-u", b.user, "-P", b.password, "-t", "hq/#", "-C", "1", "-W", "10",
		"-F", "%t|%r|%F|%C|%R|%D|%P").CombinedOutput()
	want := fmt.Sprintf("hq/north/line/1|1|1|application/json|plant/answers|c7|unit:C gw.batch:%s gw.seq:1 gw.shard:site-7-2-p gw.key:device-1", batch.ID)
	if got := strings.TrimSpace(string(out)); err != nil || got != want {
		t.Errorf("%v\n%s\n%s", err, got, want)
	}
}

// TestNoneIsLost: 20,000 records pass a broker that is ended,
// stays away, comes back, and is killed.
func TestNoneIsLost(t *testing.T) {
	const batches, each = 20, 1000
	b := open(t)
	s, seen, again := b.Sink(t), 0, make(chan struct{})
	for i := range batches {
		batch := sinktest.Documents(encoder(t), fmt.Sprint("b", 10+i), each, 200)
		switch i {
		case 7:
			time.AfterFunc(5*time.Millisecond, func() { b.end(); close(again) })
		case 13: // what it has acknowledged and not handed on a killed Mosquitto loses
			b.wait(t, i*each)
			again = make(chan struct{})
			time.AfterFunc(5*time.Millisecond, func() { b.kill(); close(again) })
		}
		for r := s.Deliver(t.Context(), batch); !r.Done(); r = s.Deliver(t.Context(), batch) {
			if r.Class != firehose.Transient {
				t.Fatalf("%s: %v", r.Class, r.Err)
			}
			seen++
			<-again
			if b.cmd.ProcessState != nil {
				if r := s.Probe(t.Context()); r.Class != firehose.Transient {
					t.Errorf("no broker is there: %s: %v", r.Class, r.Err)
				}
				b.run(t)
			}
		}
	}
	found := b.Documents(t)
	if seen < 2 {
		t.Errorf("the broker was not missed: %d", seen)
	}
	first, latest, doubled := map[string]bool{}, map[string]string{}, 0
	for _, id := range found {
		if first[id] {
			doubled++
			continue
		}
		first[id] = true
		batch, n, _ := strings.Cut(id, "/")
		var number int
		if _, err := fmt.Sscan(n, &number); err != nil {
			t.Fatal(err)
		}
		device, place := fmt.Sprint(number%3), fmt.Sprintf("%s/%06d", batch, number)
		if latest[device] > place {
			t.Errorf("device %s: %s after %s", device, place, latest[device])
		}
		latest[device] = place
	}
	if len(first) != batches*each {
		t.Errorf("%d of %d arrived", len(first), batches*each)
	}
	t.Logf("%d attempts failed, %d messages came twice", seen, doubled)
}

// TestACutConnection: what was unanswered goes over the next connection, and
// nothing else.
func TestACutConnection(t *testing.T) {
	b := open(t, "max_inflight_messages 20")
	to, dials := b.to(), 0
	to.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		dials++
		return &short{Conn: conn, left: 60_000}, err
	}
	if r := sink(t, to).Deliver(t.Context(), sinktest.Documents(encoder(t), "cut", 1000, 200)); !r.Done() {
		t.Fatalf("%s: %v", r.Class, r.Err)
	}
	found, distinct := b.Documents(t), map[string]bool{}
	for _, id := range found {
		distinct[id] = true
	}
	if len(distinct) != 1000 || dials < 4 || len(found) > 1000+20*dials {
		t.Errorf("%d messages, %d of them distinct, over %d connections", len(found), len(distinct), dials)
	}
}

// short is a connection that breaks after so many bytes.
type short struct {
	net.Conn
	left int
}

func (s *short) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		s.Close()
		return 0, io.ErrClosedPipe
	}
	return s.Conn.Write(p)
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]mqtt.Config{
		"nothing":       {},
		"no id":         {Brokers: []string{"mqtt://a"}},
		"a scheme":      {Brokers: []string{"http://a"}, ClientID: "x"},
		"a password":    {Brokers: []string{"mqtt://u:p@a"}, ClientID: "x"},
		"a wildcard":    {Brokers: []string{"mqtt://a"}, ClientID: "x", Topic: "a/#"},
		"a QoS":         {Brokers: []string{"mqtt://a"}, ClientID: "x", QoS: 3},
		"TLS in vain":   {Brokers: []string{"mqtt://a"}, ClientID: "x", TLS: &tls.Config{}},
		"a second fool": {Brokers: []string{"mqtt://a", ""}, ClientID: "x"},
	} {
		if _, err := mqtt.Open(c); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := sink(t, mqtt.Config{Brokers: []string{"mqtt://a"}, ClientID: "x", Password: "sesame"}); strings.Contains(s.String(), "sesame") || !bytes.Contains([]byte(s.String()), []byte("mqtt://a")) {
		t.Error(s.String())
	}
}
