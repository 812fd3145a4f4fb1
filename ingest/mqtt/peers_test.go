package mqtt_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

func TestMosquittoClients(t *testing.T) {
	for _, version := range []string{"mqttv311", "mqttv5"} {
		r := start(t, nil)
		sub := tool(t, r, "mosquitto_sub", "-V", version, "-i", "sub", "-t", "site/+/temp", "-q", "1", "-C", "6", "-W", "20")
		out, err := sub.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := sub.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the subscription", func() bool { return r.Stats().Subscriptions == 1 })
		var want []string
		for qos := range 3 {
			pub := tool(t, r, "mosquitto_pub", "-V", version, "-i", fmt.Sprint("pub", qos), "-t", "site/7/temp", "-q", fmt.Sprint(qos), "-l")
			pub.Stdin = strings.NewReader(fmt.Sprintf("first %d\nsecond %d\n", qos, qos))
			if text, err := pub.CombinedOutput(); err != nil {
				t.Fatalf("mosquitto_pub: %v: %s", err, text)
			}
			want = append(want, fmt.Sprint("first ", qos), fmt.Sprint("second ", qos))
		}
		var got []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			got = append(got, lines.Text())
		}
		if err := sub.Wait(); err != nil {
			t.Errorf("mosquitto_sub: %v", err)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: subscriber got %q, want %q", version, got, want)
		}
		eventually(t, "QoS 0 is stored", func() bool { return len(r.records(t, "telemetry")) == 6 })
		stored := r.texts(t, "telemetry")
		slices.Sort(stored)
		if !slices.Equal(stored, want) {
			t.Errorf("%s: stored %q, want %q", version, stored, want)
		}
		if ids := r.ids(t); len(ids) != 0 {
			t.Errorf("ids left %q", ids)
		}
	}
}

func TestRetainedAndWill(t *testing.T) {
	r := start(t, nil)
	pub := tool(t, r, "mosquitto_pub", "-i", "pub", "-t", "state", "-r", "-q", "1", "-m", "on")
	if text, err := pub.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v: %s", err, text)
	}
	eventually(t, "it is retained", func() bool { return r.Stats().Retained > 0 })
	got := make(chan string, 10)
	watcher := r.device(t, "watcher", nil)
	finish(t, "subscribe", watcher.SubscribeMultiple(map[string]byte{"state": 1, "gone/#": 1}, func(_ paho.Client, m paho.Message) {
		got <- fmt.Sprint(m.Topic(), " ", string(m.Payload()), " ", m.Retained())
	}))
	if s := <-got; s != "state on true" {
		t.Errorf("got %q", s)
	}
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r.device(t, "mortal", func(o *paho.ClientOptions) {
		o.SetWill("gone/mortal", "farewell", 1, false)
		o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return conn, nil })
	})
	conn.Close()
	if s := <-got; s != "gone/mortal farewell false" {
		t.Errorf("got %q", s)
	}
	eventually(t, "the will is stored", func() bool { return len(r.records(t, "telemetry")) == 2 })
	for _, rec := range r.records(t, "telemetry") {
		if m, err := mqtt.DecodeMeta(rec.Meta); err != nil || m.Will != (string(rec.Data) == "farewell") {
			t.Errorf("%q: meta %+v, %v", rec.Data, m, err)
		}
	}
}

func TestPahoMany(t *testing.T) {
	r := start(t, func(r *rig, c *mqtt.Config) { c.Writer = slow{Writer: r.log, each: 2 * time.Millisecond} })
	const devices, each = 20, 100
	var tokens []paho.Token
	for d := range devices {
		dev := r.device(t, fmt.Sprint("dev", d), nil)
		for i := range each {
			tokens = append(tokens, dev.Publish("a/b", byte(i%3), false, fmt.Sprint("m", i)))
		}
	}
	for _, token := range tokens {
		finish(t, "publish", token)
	}
	eventually(t, "all are stored", func() bool { return len(r.records(t, "telemetry")) == devices*each })
	byKey := map[string][]string{}
	for _, rec := range r.records(t, "telemetry") {
		byKey[rec.Key] = append(byKey[rec.Key], string(rec.Data))
	}
	for d := range devices {
		got := byKey[fmt.Sprint("dev", d)]
		sameOrder(t, got, "m", each)
	}
	eventually(t, "ids are released", func() bool { return len(r.ids(t)) == 0 })
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan bool, 1)
	r := start(t, func(_ *rig, c *mqtt.Config) {
		c.Listen, c.ListenTLS = nil, []string{"127.0.0.1:0"}
		c.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS13}
		c.Authenticate = func(l mqtt.Login) bool { seen <- l.TLS != nil && l.TLS.HandshakeComplete; return true }
	})
	plain := r.dial(t, 4)
	if _, err := plain.Write([]byte{0x10, 0x0d, 0x00, 0x04, 'M', 'Q', 'T', 'T', 4, 0x02, 0x00, 0x3c, 0x00, 0x01, 'a'}); err != nil {
		t.Fatal(err)
	}
	if pk, err := plain.receive(); err == nil {
		t.Errorf("a connection without TLS was answered %d", pk.FixedHeader.Type)
	}
	roots := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	dev := r.device(t, "dev", func(o *paho.ClientOptions) {
		o.Servers = nil
		o.AddBroker("ssl://" + r.Addr().String()).SetTLSConfig(&tls.Config{RootCAs: roots})
	})
	if !<-seen {
		t.Error("the login does not tell of TLS")
	}
	finish(t, "publish", dev.Publish("a", 1, false, "x"))
	if got := r.texts(t, "telemetry"); !slices.Equal(got, []string{"x"}) {
		t.Errorf("records %q", got)
	}
}

func TestConfig(t *testing.T) {
	r := start(t, nil)
	if r.Addr() == nil || len(r.Addrs()) != 1 {
		t.Errorf("addresses %v", r.Addrs())
	}
	for name, c := range map[string]mqtt.Config{
		"nothing":         {},
		"no certificates": {Writer: r.log, Control: r.log, States: r.log, Reader: r.log, Catalog: r.log, ListenTLS: []string{"127.0.0.1:0"}},
		"a wide window":   {Writer: r.log, Control: r.log, States: r.log, Reader: r.log, Catalog: r.log, Window: 70000},
	} {
		if _, err := mqtt.New(c); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	taken, err := mqtt.New(mqtt.Config{Writer: r.log, Control: r.log, States: r.log, Reader: r.log, Catalog: r.log, Listen: []string{"127.0.0.1:0", r.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Listen(); err == nil {
		t.Error("an address that is taken was accepted")
	}
}
