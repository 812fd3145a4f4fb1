package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/enrol"
	fleets "headgate/firmware-sim/fleet"
	"headgate/gateway"
)

// TestDevicesRenewThemselves: a fleet enrols by one code, publishes over mTLS,
// and renews its certificates by those that it has. The old one is good until
// the new one has connected.
func TestDevicesRenewThemselves(t *testing.T) {
	f, ctx := newFleet(t), t.Context()
	door, folder := enrol.Door{URL: f.https, Trust: f.trust}, enrol.Folder(filepath.Join(t.TempDir(), "devices"))
	claim, err := f.client().NewDeviceClaim(ctx, gateway.DeviceClaimOrder{Prefix: "temp-", Count: 3, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint32(3) {
		name := device.ID{Kind: device.Temperature, Number: i}.String()
		if id, err := door.Claim(ctx, folder, claim.Code, name); err != nil || id != name {
			t.Fatal(id, err)
		}
	}
	var refused enrol.Refused
	if _, err := door.Claim(ctx, folder, claim.Code, "temp-00009"); !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		t.Errorf("a code for three was good for four: %v", err)
	}

	conf := fleets.Config{Broker: f.broker, Devices: 3, Kinds: []device.Kind{device.Temperature}, Messages: 50,
		Oracle: filepath.Join(t.TempDir(), "acked"), BackoffMax: time.Second,
		Dial: func(ctx context.Context, id device.ID, address string) (net.Conn, error) {
			return folder.Dial(ctx, f.trust, address, id.String())
		}}
	publish := func(messages uint64) {
		t.Helper()
		conf.Messages = messages
		devices, err := fleets.New(conf)
		if err != nil {
			t.Fatal(err)
		}
		run, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		if err := devices.Run(run); err != nil {
			t.Fatal(err)
		}
		if got := devices.Totals(); got.Finished != 3 {
			t.Errorf("%+v", got)
		}
	}
	publish(50)

	old, err := folder.Load("temp-00000")
	if err != nil {
		t.Fatal(err)
	}
	if err := door.Renew(ctx, folder, "temp-00000"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.connect("temp-00000", "", old); err != nil {
		t.Errorf("the old certificate ended before the new one was used: %v", err)
	}
	for i := range 3 {
		if err := enrol.Rotate(ctx, door, folder, f.broker, fmt.Sprintf("temp-%05d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := folder.Load("temp-00000"); err != nil || string(now.Certificate[0]) == string(old.Certificate[0]) {
		t.Errorf("the certificate is the same: %v", err)
	}
	publish(80)
	deadline := time.After(20 * time.Second)
	for {
		c, err := f.connect("temp-00000", "", old)
		if err != nil {
			break
		}
		c.Disconnect(0)
		select {
		case <-deadline:
			t.Fatal("the old certificate is still good")
		case <-time.After(100 * time.Millisecond):
		}
	}

	ask := func(certificates ...tls.Certificate) int {
		t.Helper()
		h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.trust, Certificates: certificates}}}
		defer h.CloseIdleConnections()
		answer, err := h.PostForm(f.https+"/enrol/renew", map[string][]string{"csr": {"none"}})
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if status := ask(); status != http.StatusForbidden {
		t.Errorf("renewed without a certificate: %d", status)
	}
	if status := ask(old); status != http.StatusForbidden && status != http.StatusBadRequest {
		t.Errorf("renewed by an old certificate: %d", status)
	}
}
