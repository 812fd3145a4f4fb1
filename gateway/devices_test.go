package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/gateway"
)

// fleet is a gateway that asks devices who they are, and what they trust.
type fleet struct {
	*gateway.Gateway
	t      *testing.T
	data   string
	broker string
	https  string
	trust  *x509.CertPool
}

func newFleet(t *testing.T, more ...func(*gateway.Config)) *fleet {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	g, _ := start(t, data, func(c *gateway.Config) {
		c.MQTTS, c.HTTPS, c.Devices.Required = "127.0.0.1:0", "127.0.0.1:0", true
		for _, change := range more {
			change(c)
		}
	})
	pem, err := gateway.Authority(data)
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{Gateway: g, t: t, data: data, broker: g.Addresses().MQTTS, https: "https://" + g.Addresses().HTTPS, trust: x509.NewCertPool()}
	f.trust.AppendCertsFromPEM(pem)
	return f
}

func (f *fleet) client() *gateway.Client { return gateway.Dial(f.data) }

// enrol makes a key and a request, as a device does, and claims a certificate.
func (f *fleet) enrol(code, name string) (tls.Certificate, int) {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		f.t.Fatal(err)
	}
	var request bytes.Buffer
	if err := pem.Encode(&request, &pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}); err != nil {
		f.t.Fatal(err)
	}
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.trust}}}
	defer h.CloseIdleConnections()
	answer, err := h.PostForm(f.https+"/enrol", url.Values{"code": {code}, "csr": {request.String()}})
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		f.t.Logf("enrolment of %s: %s %s", name, answer.Status, text)
		return tls.Certificate{}, answer.StatusCode
	}
	c := tls.Certificate{PrivateKey: key}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c.Certificate = append(c.Certificate, block.Bytes)
	}
	return c, answer.StatusCode
}

// connect connects by TLS; password and certificate may be empty.
func (f *fleet) connect(id, password string, certificates ...tls.Certificate) (paho.Client, error) {
	o := paho.NewClientOptions().AddBroker("ssl://" + f.broker).SetClientID(id).SetTLSConfig(&tls.Config{RootCAs: f.trust, Certificates: certificates}).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(10 * time.Second)
	if password != "" {
		o.SetUsername(id).SetPassword(password)
	}
	c := paho.NewClient(o)
	token := c.Connect()
	token.WaitTimeout(20 * time.Second)
	return c, token.Error()
}

// TestDevicesAreKnown: a device claims a certificate and publishes by it where
// it may; one with a password does; whoever is disabled or revoked is put out.
func TestDevicesAreKnown(t *testing.T) {
	f, ctx := newFleet(t), t.Context()
	claim, err := f.client().NewDeviceClaim(ctx, gateway.DeviceClaimOrder{Device: "press-7", For: time.Hour})
	if err != nil || claim.QR == "" {
		t.Fatal(claim.QR, err)
	}
	certificate, status := f.enrol(claim.Code, "press-7")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	if _, status := f.enrol(claim.Code, "press-7"); status != http.StatusForbidden {
		t.Errorf("a code was good twice: %d", status)
	}
	if _, status := f.enrol("AAAA-AAAA", "press-7"); status != http.StatusBadRequest {
		t.Errorf("no code: %d", status)
	}
	c, err := f.connect("press-7", "", certificate)
	if err != nil {
		t.Fatal(err)
	}
	lost := make(chan struct{})
	tells(t, c, "d/press-7/temperature", true)
	if _, err := f.connect("press-8", "", certificate); err == nil {
		t.Error("a device took another's id")
	}
	if _, err := f.connect("press-7", ""); err == nil {
		t.Error("a device without anything was let in")
	}
	if _, err := f.client().CreateDevice(ctx, gateway.DeviceOrder{ID: "lathe-1"}); err != nil {
		t.Fatal(err)
	}
	secret, err := f.client().RotateDevice(ctx, "lathe-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.connect("lathe-1", "guessed-wrong-0001"); err == nil {
		t.Error("a wrong password was let in")
	}
	lathe, err := f.connect("lathe-1", secret.Password)
	if err != nil {
		t.Fatal(err)
	}
	tells(t, lathe, "d/lathe-1/rpm", true)
	tells(t, lathe, "d/press-7/temperature", false)
	subscribe := func(c paho.Client, filter string, granted byte) {
		t.Helper()
		token := c.Subscribe(filter, 1, nil).(*paho.SubscribeToken)
		if !token.WaitTimeout(10 * time.Second) {
			t.Fatal("no SUBACK")
		}
		for _, got := range token.Result() { // paho names shared ones otherwise
			if got != granted {
				t.Errorf("%s: %#x, want %#x", filter, got, granted)
			}
		}
	}
	subscribe(c, "cmd/press-7/#", 1)
	subscribe(c, "cmd/#", 0x80)
	subscribe(c, "$share/all/cmd/+/do", 0x80)
	go func() {
		defer close(lost)
		for c.IsConnectionOpen() && ctx.Err() == nil {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	if _, err := f.client().ChangeDevice(ctx, "press-7", "revoke"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost:
	case <-time.After(20 * time.Second):
		t.Error("a revoked device is still connected")
	}
	if _, err := f.connect("press-7", "", certificate); err == nil {
		t.Error("a revoked device was let in")
	}
	told := map[string]int{}
	if err := f.client().Audit(ctx, gateway.TailQuery{From: "1h"}, func(l gateway.AuditLine) error {
		told[l.Action+" "+l.Outcome]++
		return nil
	}); err != nil || told["headgate:devices:enrol ok"] != 1 || told["headgate:devices:enrol denied"] != 1 || told["headgate:devices:revoke ok"] != 1 {
		t.Errorf("the audit tells of %v: %v", told, err)
	}
	all, err := f.client().Devices(ctx, "")
	if err != nil || len(all) != 2 {
		t.Errorf("%+v %v", all, err)
	}
}

// tells publishes at QoS 1; MQTT 3.1.1 has no word for a refusal but to end
// the connection.
func tells(t *testing.T, c paho.Client, topic string, stored bool) {
	t.Helper()
	token := c.Publish(topic, 1, false, "21.5")
	done := token.WaitTimeout(10*time.Second) && token.Error() == nil
	if done != stored {
		t.Errorf("%s: stored %v, want %v: %v", topic, done, stored, token.Error())
	}
}

// TestImport makes many devices at once, or none.
func TestImport(t *testing.T) {
	f := newFleet(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := f.client().ImportDevices(ctx, []byte("id,groups\npress-1,press\nbad id,press\n"), false); err == nil {
		t.Error("a wrong line was taken")
	}
	done, err := f.client().ImportDevices(ctx, []byte("id,groups,line\npress-1,press,7\npress-2,press;hall,8\n"), false)
	if err != nil || done.Created != 2 {
		t.Fatalf("%+v %v", done, err)
	}
	if all, err := f.client().Devices(ctx, "press-2"); err != nil || len(all) != 1 || len(all[0].Groups) != 2 || all[0].Attributes["line"] != "8" {
		t.Errorf("%+v %v", all, err)
	}
}

func TestDevicesComeByWebSocket(t *testing.T) {
	f := newFleet(t)
	if _, err := f.client().CreateDevice(t.Context(), gateway.DeviceOrder{ID: "page-1"}); err != nil {
		t.Fatal(err)
	}
	secret, err := f.client().RotateDevice(t.Context(), "page-1")
	if err != nil {
		t.Fatal(err)
	}
	at := "wss" + f.https[len("https"):] + "/mqtt"
	page := func(password, origin string) (paho.Client, error) {
		o := paho.NewClientOptions().AddBroker(at).SetClientID("page-1").SetUsername("page-1").SetPassword(password).
			SetTLSConfig(&tls.Config{RootCAs: f.trust}).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second)
		if origin != "" {
			o.SetHTTPHeaders(http.Header{"Origin": {origin}})
		}
		c := paho.NewClient(o)
		token := c.Connect()
		token.WaitTimeout(20 * time.Second)
		return c, token.Error()
	}
	if _, err := page("guess", ""); err == nil {
		t.Error("a wrong password is let in")
	}
	if _, err := page(secret.Password, "https://evil.example"); err == nil {
		t.Error("a page of another site is let in")
	}
	c, err := page(secret.Password, f.https)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect(0)
	for i := range 3 {
		token := c.Publish("d/page-1/x", 1, false, []byte{byte('0' + i)})
		if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	all, err := f.client().Traffic(t.Context(), "loud", 5)
	if err != nil || len(all) != 1 || all[0].Client != "page-1" || all[0].Messages != 3 {
		t.Errorf("traffic %+v, %v", all, err)
	}
	if _, err := f.client().Traffic(t.Context(), "loudest", 5); err == nil {
		t.Error("an unknown rank is taken")
	}
}

// TestDevicesSendSyslog: over TLS, who shows a certificate must be a device.
func TestDevicesSendSyslog(t *testing.T) {
	f := newFleet(t, func(c *gateway.Config) { c.SyslogTLS = "127.0.0.1:0" })
	claim, err := f.client().NewDeviceClaim(t.Context(), gateway.DeviceClaimOrder{Device: "router-1", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	certificate, status := f.enrol(claim.Code, "router-1")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	send := func(text string, certificates ...tls.Certificate) error {
		c, err := tls.Dial("tcp", f.Addresses().SyslogTLS, &tls.Config{RootCAs: f.trust, Certificates: certificates})
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := fmt.Fprintf(c, "%d %s", len(text), text); err != nil {
			return err
		}
		if err := c.CloseWrite(); err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			return err // TLS 1.3 tells a refusal with the first read
		}
		return nil
	}
	stored := func(n uint64) {
		t.Helper()
		until(t, 20*time.Second, "messages are stored", func() (string, bool) {
			s := f.Status().Collect.Syslog
			return fmt.Sprintf("%+v", *s), s.Taken == n
		})
	}
	const line = "<13>1 2026-11-27T10:00:00Z router-1 app - - - link is up"
	if err := send(line, certificate); err != nil {
		t.Fatal(err)
	}
	stored(1)
	if err := send(line); err != nil { // from this machine nobody is asked
		t.Fatal(err)
	}
	stored(2)
	if _, err := f.client().ChangeDevice(t.Context(), "router-1", "revoke"); err != nil {
		t.Fatal(err)
	}
	if err := send(line, certificate); err == nil {
		t.Error("a revoked device was let in")
	}
	stored(2)
}
