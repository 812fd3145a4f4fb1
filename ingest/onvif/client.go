package onvif

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"headgate/shardlog"
)

// Client asks one device. Its zero HTTP client waits ten seconds.
type Client struct {
	Address            string // of the device service
	Username, Password string
	HTTP               *http.Client

	skew  time.Duration // the device's clock less ours
	media string        // address of the media service
}

// Profile is one stream that a device offers.
type Profile struct {
	Token, Name   string
	Codec         string // as the device says: H264, H265, JPEG
	Width, Height int
}

// maxAnswer bounds what a device may answer.
const maxAnswer = 1 << 20

// maxProfiles bounds what a device may offer.
const maxProfiles = 256

// Open learns the device's clock and where its media service is. Kinds:
// Denied, Invalid, Unavailable.
func (c *Client) Open(ctx context.Context) error {
	if _, err := service(c.Address); err != nil {
		return err
	}
	c.skew = c.clock(ctx)
	address, err := c.services(ctx)
	if err != nil || address == "" { // older devices know no GetServices
		if shardlog.KindOf(err) == shardlog.Denied || ctx.Err() != nil {
			return err
		}
		if address, err = c.capabilities(ctx); err != nil {
			return err
		}
	}
	c.media, err = c.here(address)
	return err
}

// clock is how far the device's clock is from ours; zero when it does not say.
// Anybody may ask that.
func (c *Client) clock(ctx context.Context) time.Duration {
	var answer struct {
		UTC struct {
			Date struct{ Year, Month, Day int }
			Time struct{ Hour, Minute, Second int }
		} `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime"`
	}
	nobody := &Client{HTTP: c.HTTP}
	if err := nobody.call(ctx, c.Address, deviceSpace, "<GetSystemDateAndTime xmlns=%q/>", &answer); err != nil || answer.UTC.Date.Year <= 0 {
		return 0
	}
	d, t := answer.UTC.Date, answer.UTC.Time
	return time.Until(time.Date(d.Year, time.Month(d.Month), d.Day, t.Hour, t.Minute, t.Second, 0, time.UTC))
}

// services is the media service's address as GetServices tells it, "" for none.
func (c *Client) services(ctx context.Context) (string, error) {
	var answer struct {
		Services []struct{ Namespace, XAddr string } `xml:"Body>GetServicesResponse>Service"`
	}
	if err := c.call(ctx, c.Address, deviceSpace, `<GetServices xmlns=%q><IncludeCapability>false</IncludeCapability></GetServices>`, &answer); err != nil {
		return "", err
	}
	for _, s := range answer.Services {
		if strings.TrimSpace(s.Namespace) == mediaSpace {
			return s.XAddr, nil
		}
	}
	return "", nil
}

// capabilities is that address as GetCapabilities tells it.
func (c *Client) capabilities(ctx context.Context) (string, error) {
	var answer struct {
		Media string `xml:"Body>GetCapabilitiesResponse>Capabilities>Media>XAddr"`
	}
	err := c.call(ctx, c.Address, deviceSpace, `<GetCapabilities xmlns=%q><Category>Media</Category></GetCapabilities>`, &answer)
	return answer.Media, err
}

// here is a service's address on the device that was asked: who asks proves who
// he is to that device and to no other, and devices behind an address
// translation name one where they cannot be reached.
func (c *Client) here(address string) (string, error) {
	u, err := service(strings.TrimSpace(address))
	if err != nil {
		return "", shardlog.Errorf(shardlog.Invalid, "ask camera", "it names no media service")
	}
	asked, err := service(c.Address)
	if err != nil {
		return "", err
	}
	if u.Hostname() != asked.Hostname() {
		u.Scheme, u.Host = asked.Scheme, asked.Host
	}
	return u.String(), nil
}

const (
	deviceSpace = "http://www.onvif.org/ver10/device/wsdl"
	mediaSpace  = "http://www.onvif.org/ver10/media/wsdl"
)

// Profiles are the streams that the device offers. It is called after Open.
func (c *Client) Profiles(ctx context.Context) ([]Profile, error) {
	var answer struct {
		Profiles []struct {
			Token string `xml:"token,attr"`
			Name  string
			Video struct {
				Encoding   string
				Resolution struct{ Width, Height int }
			} `xml:"VideoEncoderConfiguration"`
		} `xml:"Body>GetProfilesResponse>Profiles"`
	}
	if err := c.call(ctx, c.media, mediaSpace, "<GetProfiles xmlns=%q/>", &answer); err != nil {
		return nil, err
	}
	var all []Profile
	for _, p := range answer.Profiles[:min(len(answer.Profiles), maxProfiles)] {
		if len(p.Token) > maxText || len(p.Name) > maxText {
			continue
		}
		all = append(all, Profile{p.Token, p.Name, p.Video.Encoding, p.Video.Resolution.Width, p.Video.Resolution.Height})
	}
	return all, nil
}

// StreamURI is where a profile's stream is played by RTSP.
func (c *Client) StreamURI(ctx context.Context, profile string) (string, error) {
	return c.uri(ctx, "GetStreamUri", `<StreamSetup><Stream xmlns="http://www.onvif.org/ver10/schema">RTP-Unicast</Stream>`+
		`<Transport xmlns="http://www.onvif.org/ver10/schema"><Protocol>RTSP</Protocol></Transport></StreamSetup>`, profile)
}

// SnapshotURI is where a profile's latest still is fetched by HTTP.
func (c *Client) SnapshotURI(ctx context.Context, profile string) (string, error) {
	return c.uri(ctx, "GetSnapshotUri", "", profile)
}

func (c *Client) uri(ctx context.Context, operation, inner, profile string) (string, error) {
	var token bytes.Buffer
	if err := xml.EscapeText(&token, []byte(profile)); err != nil {
		return "", err
	}
	var answer struct {
		Body struct {
			Stream   string `xml:"GetStreamUriResponse>MediaUri>Uri"`
			Snapshot string `xml:"GetSnapshotUriResponse>MediaUri>Uri"`
		}
	}
	body := "<" + operation + " xmlns=%q>" + inner + "<ProfileToken>" + strings.ReplaceAll(token.String(), "%", "%%") + "</ProfileToken></" + operation + ">"
	if err := c.call(ctx, c.media, mediaSpace, body, &answer); err != nil {
		return "", err
	}
	if uri := strings.TrimSpace(answer.Body.Stream + answer.Body.Snapshot); uri != "" && len(uri) <= maxText {
		return uri, nil
	}
	return "", shardlog.Errorf(shardlog.NotFound, "ask camera", "it has no %s", operation)
}

// call asks one question, by WS-UsernameToken, and by HTTP digest when the
// device wants that.
func (c *Client) call(ctx context.Context, address, space, body string, into any) error {
	to, err := service(address)
	if err != nil {
		return err
	}
	text := c.envelope(fmt.Sprintf(body, space))
	answer, status, challenges, err := c.post(ctx, address, text, "")
	if err == nil && status == http.StatusUnauthorized && c.Username != "" {
		if authorization := digest(challenges, c.Username, c.Password, to); authorization != "" {
			answer, status, _, err = c.post(ctx, address, text, authorization)
		}
	}
	switch {
	case err != nil:
		return shardlog.Errorf(shardlog.Unavailable, "ask camera", "%w", err)
	case status == http.StatusUnauthorized || status != http.StatusOK && bytes.Contains(answer, []byte("NotAuthorized")):
		return shardlog.Errorf(shardlog.Denied, "ask camera", "it wants another user or password")
	case status != http.StatusOK:
		return shardlog.Errorf(shardlog.Invalid, "ask camera", "it answered %d", status)
	}
	return decode(answer, into)
}

// envelope wraps a question, with who asks.
func (c *Client) envelope(body string) string {
	header := ""
	if c.Username != "" {
		var nonce [16]byte
		rand.Read(nonce[:]) // never fails
		created := time.Now().Add(c.skew).UTC().Format("2006-01-02T15:04:05.000Z")
		sum := sha1.Sum([]byte(string(nonce[:]) + created + c.Password)) // what WS-UsernameToken says
		var user bytes.Buffer
		_ = xml.EscapeText(&user, []byte(c.Username)) // a buffer takes all
		header = `<e:Header><s:Security e:mustUnderstand="1" xmlns:s="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" ` +
			`xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"><s:UsernameToken><s:Username>` + user.String() +
			`</s:Username><s:Password Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest">` +
			base64.StdEncoding.EncodeToString(sum[:]) + `</s:Password><s:Nonce>` + base64.StdEncoding.EncodeToString(nonce[:]) + `</s:Nonce><u:Created>` + created +
			`</u:Created></s:UsernameToken></s:Security></e:Header>`
	}
	return `<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope">` + header + `<e:Body>` + body + `</e:Body></e:Envelope>`
}

func (c *Client) post(ctx context.Context, address, text, authorization string) (answer []byte, status int, challenges []string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(text))
	if err != nil {
		return nil, 0, nil, err
	}
	request.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second, CheckRedirect: stay}
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return answer, response.StatusCode, response.Header.Values("WWW-Authenticate"), err
}

// stay follows nobody: a question with a proof in it is for one device.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
