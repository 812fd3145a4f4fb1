package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
)

// enrol has a device claim its certificate at one gateway, publish by it at all
// three, and be refused by each when it is revoked.
func (s *site) enrol(ctx context.Context) error {
	began := time.Now()
	id := device.ID{Kind: enrolling}.String()
	first := s.Gateways[0]
	out, err := first.Run(ctx, "device", "claim", id, "-o", "json")
	if err != nil {
		return err
	}
	var claim struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal([]byte(out), &claim); err != nil {
		return err
	}
	trust := x509.NewCertPool()
	for _, g := range s.Gateways { // each signs for its own doors
		authority, err := g.Run(ctx, "ca")
		if err != nil {
			return err
		}
		trust.AppendCertsFromPEM([]byte(authority))
	}
	certificate, err := claimed("https://"+first.HTTPS, claim.Code, id, trust)
	if err != nil {
		return err
	}
	t := &tls.Config{RootCAs: trust, Certificates: []tls.Certificate{certificate}}
	const messages = 20
	for i, g := range s.Gateways {
		totals, err := s.enrolled(ctx, g.MQTTS, t, uint64(i+1)*messages, 20*time.Second)
		if err != nil || totals.Acknowledged != messages {
			return errors.Join(err, fmt.Errorf("%s: %d of %d acknowledged: %s", g.Name, totals.Acknowledged, messages, totals.LastError))
		}
		if i == 0 {
			fmt.Printf("enrolled and publishing over mTLS %.2f s after the claim\n", time.Since(began).Seconds())
		}
	}
	if _, err := first.Run(ctx, "device", "revoke", id); err != nil {
		return err
	}
	if err := s.Settle(ctx); err != nil {
		return err
	}
	for _, g := range s.Gateways {
		totals, err := s.enrolled(ctx, g.MQTTS, t, 1000, time.Second)
		if totals.Connects > 0 || totals.Failures == 0 && !errors.Is(err, fleet.ErrRefused) {
			return fmt.Errorf("%s took a device that is revoked: %+v, %v", g.Name, totals, err)
		}
	}
	fmt.Println("revoked, and refused by each gateway")
	return nil
}

// enrolled runs the device at one gateway up to so many messages.
func (s *site) enrolled(ctx context.Context, broker string, t *tls.Config, messages uint64, most time.Duration) (fleet.Totals, error) {
	c := s.fleet("enrolled", enrolling)
	c.Broker, c.Devices, c.QoS, c.Versions, c.Rate, c.Messages, c.Duration, c.Grace = broker, 1, []byte{1}, []int{5}, 0, messages, most, time.Second
	c.Dial = func(ctx context.Context, _ device.ID, address string) (net.Conn, error) {
		return (&tls.Dialer{Config: t}).DialContext(ctx, "tcp", address)
	}
	f, err := fleet.New(c)
	if err != nil {
		return fleet.Totals{}, err
	}
	err = f.Run(ctx)
	return f.Totals(), err
}

// claimed makes a key and gets a certificate for it, as a device does.
func claimed(console, code, id string, trust *x509.CertPool) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: id}}, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}, Timeout: 20 * time.Second}
	defer h.CloseIdleConnections()
	answer, err := h.PostForm(console+"/enrol", url.Values{"code": {code}, "csr": {string(request)}})
	if err != nil {
		return tls.Certificate{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return tls.Certificate{}, errors.Join(err, fmt.Errorf("POST /enrol: %s %s", answer.Status, text))
	}
	c := tls.Certificate{PrivateKey: key}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c.Certificate = append(c.Certificate, block.Bytes)
	}
	return c, nil
}
