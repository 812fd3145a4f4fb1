package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"headgate/gateway/devices"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
)

// Device is an identity as its owner sees it.
type Device = devices.Device

// DeviceTraffic is what a connected device has published since it connected.
type DeviceTraffic = mqtt.Traffic

// DeviceOrder is a device to be created.
type DeviceOrder = devices.Order

// DeviceClaimOrder says what a claim code is to be good for.
type DeviceClaimOrder = devices.ClaimOrder

// DeviceSecret is a new password, or a new claim code with its picture; it is
// told once.
type DeviceSecret struct {
	Device   string         `json:"device,omitempty"`
	Password string         `json:"password,omitempty"`
	Code     string         `json:"code,omitempty"`
	QR       string         `json:"qr,omitempty"` // of the code, in block characters
	Claim    *devices.Claim `json:"claim,omitempty"`
}

func (a *admin) deviceRoutes(handle func(string, func(http.ResponseWriter, *http.Request) (any, error))) {
	one := func(do string, change func(context.Context, string) (Device, error)) func(http.ResponseWriter, *http.Request) (any, error) {
		return func(_ http.ResponseWriter, r *http.Request) (any, error) {
			d, err := change(r.Context(), r.PathValue("device"))
			a.tellDevice(r, do, err)
			return d, err
		}
	}
	handle("GET /devices", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return a.devices.List(r.Context(), r.URL.Query().Get("prefix")), nil
	})
	handle("GET /device-traffic", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		q := r.URL.Query()
		n, err := strconv.Atoi(q.Get("n"))
		if err != nil || n < 1 {
			return nil, shardlog.Errorf(shardlog.Invalid, "rank devices", "n is how many are listed, from 1")
		}
		return a.broker.traffic(mqtt.Rank(q.Get("by")), n)
	})
	handle("POST /devices", a.createDevice)
	handle("POST /devices/{device}/enable", one("enable", a.devices.Enable))
	handle("POST /devices/{device}/disable", one("disable", a.devices.Disable))
	handle("POST /devices/{device}/revoke", one("revoke", a.devices.Revoke))
	handle("POST /devices/{device}/rotate", a.rotateDevice)
	handle("DELETE /devices/{device}", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		err := a.devices.Delete(r.Context(), r.PathValue("device"))
		a.tellDevice(r, "delete", err)
		return struct{}{}, err
	})
	handle("POST /device-claims", a.newClaim)
	handle("GET /device-claims", func(_ http.ResponseWriter, r *http.Request) (any, error) { return a.devices.Claims(r.Context()), nil })
	handle("POST /device-import", a.importDevices)
}

// tellDevice has the audit tell of a change.
func (a *admin) tellDevice(r *http.Request, do string, err error) {
	line := AuditLine{At: a.now().UTC(), Action: "headgate:devices:" + do, Resource: clipped(r.PathValue("device")), Outcome: "ok", Source: "admin socket"}
	if err != nil {
		line.Outcome = shardlog.KindOf(err).String()
	}
	a.audit.add(line, true)
}

func (a *admin) createDevice(_ http.ResponseWriter, r *http.Request) (any, error) {
	var o DeviceOrder
	if err := receive(r, &o); err != nil {
		return nil, err
	}
	r.SetPathValue("device", o.ID)
	d, err := a.devices.Create(r.Context(), o)
	a.tellDevice(r, "create", err)
	return d, err
}

func (a *admin) rotateDevice(_ http.ResponseWriter, r *http.Request) (any, error) {
	secret, err := a.devices.Rotate(r.Context(), r.PathValue("device"))
	a.tellDevice(r, "rotate", err)
	return DeviceSecret{Device: r.PathValue("device"), Password: secret.Text()}, err
}

func (a *admin) newClaim(_ http.ResponseWriter, r *http.Request) (any, error) {
	var o DeviceClaimOrder
	if err := receive(r, &o); err != nil {
		return nil, err
	}
	r.SetPathValue("device", o.Device)
	code, claim, err := a.devices.NewClaim(r.Context(), o)
	a.tellDevice(r, "claim", err)
	if err != nil {
		return nil, err
	}
	return DeviceSecret{Device: o.Device, Code: code.Text(), QR: code.QR(false), Claim: &claim}, nil
}

// deviceImport is a CSV file; Keep leaves devices alone that are there.
type deviceImport struct {
	CSV  string `json:"csv"`
	Keep bool   `json:"keep,omitempty"`
}

func (a *admin) importDevices(_ http.ResponseWriter, r *http.Request) (any, error) {
	var in deviceImport
	if err := receive(r, &in); err != nil {
		return nil, err
	}
	done, err := a.devices.Import(r.Context(), strings.NewReader(in.CSV), devices.ImportOptions{KeepExisting: in.Keep})
	a.tellDevice(r, "import", err)
	return done, err
}

// Devices are the devices whose ids begin with a prefix.
func (c *Client) Devices(ctx context.Context, prefix string) (all []Device, err error) {
	return all, c.call(ctx, http.MethodGet, "/devices?prefix="+url.QueryEscape(prefix), nil, &all)
}

// Traffic are the first n of the connected devices by rank: loud, busy, silent.
func (c *Client) Traffic(ctx context.Context, by string, n int) (all []DeviceTraffic, err error) {
	return all, c.call(ctx, http.MethodGet, "/device-traffic?"+url.Values{"by": {by}, "n": {strconv.Itoa(n)}}.Encode(), nil, &all)
}

// CreateDevice makes one.
func (c *Client) CreateDevice(ctx context.Context, o DeviceOrder) (d Device, err error) {
	return d, c.call(ctx, http.MethodPost, "/devices", o, &d)
}

// ChangeDevice enables, disables or revokes a device.
func (c *Client) ChangeDevice(ctx context.Context, id, do string) (d Device, err error) {
	return d, c.call(ctx, http.MethodPost, "/devices/"+url.PathEscape(id)+"/"+do, nil, &d)
}

// RotateDevice makes a new password; the old one is good until the new one was used.
func (c *Client) RotateDevice(ctx context.Context, id string) (s DeviceSecret, err error) {
	return s, c.call(ctx, http.MethodPost, "/devices/"+url.PathEscape(id)+"/rotate", nil, &s)
}

// DeleteDevice forgets one.
func (c *Client) DeleteDevice(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/devices/"+url.PathEscape(id), nil, nil)
}

// NewDeviceClaim makes a claim code.
func (c *Client) NewDeviceClaim(ctx context.Context, o DeviceClaimOrder) (s DeviceSecret, err error) {
	return s, c.call(ctx, http.MethodPost, "/device-claims", o, &s)
}

// DeviceClaims are the codes that there are, without the codes.
func (c *Client) DeviceClaims(ctx context.Context) (all []devices.Claim, err error) {
	return all, c.call(ctx, http.MethodGet, "/device-claims", nil, &all)
}

// ImportDevices makes the devices of a CSV file.
func (c *Client) ImportDevices(ctx context.Context, csv []byte, keep bool) (done devices.Imported, err error) {
	return done, c.call(ctx, http.MethodPost, "/device-import", deviceImport{string(csv), keep}, &done)
}
