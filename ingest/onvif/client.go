package onvif

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
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

// Open learns the device's clock and where its media service is. Kinds:
// Denied, Invalid, Unavailable.
func (c *Client) Open(ctx context.Context) error {
	var clock struct {
		UTC struct {
			Date struct{ Year, Month, Day int }
			Time struct{ Hour, Minute, Second int }
		} `xml:"Body>GetSystemDateAndTimeResponse>SystemDateAndTime>UTCDateTime"`
	}
	if err := c.call(ctx, c.Address, deviceSpace, "<GetSystemDateAndTime xmlns=%q/>", &clock); err == nil && clock.UTC.Date.Year > 0 {
		d, t := clock.UTC.Date, clock.UTC.Time
		c.skew = time.Until(time.Date(d.Year, time.Month(d.Month), d.Day, t.Hour, t.Minute, t.Second, 0, time.UTC))
	}
	var abilities struct {
		Media string `xml:"Body>GetCapabilitiesResponse>Capabilities>Media>XAddr"`
	}
	if err := c.call(ctx, c.Address, deviceSpace, `<GetCapabilities xmlns=%q><Category>Media</Category></GetCapabilities>`, &abilities); err != nil {
		return err
	}
	if !strings.HasPrefix(abilities.Media, "http") {
		return shardlog.Errorf(shardlog.Invalid, "ask camera", "it names no media service")
	}
	c.media = abilities.Media
	return nil
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
	for _, p := range answer.Profiles {
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
	if uri := answer.Body.Stream + answer.Body.Snapshot; uri != "" {
		return uri, nil
	}
	return "", shardlog.Errorf(shardlog.NotFound, "ask camera", "it has no %s", operation)
}

// call asks one question, by WS-UsernameToken, and by HTTP digest when the
// device wants that.
func (c *Client) call(ctx context.Context, address, space, body string, into any) error {
	text := c.envelope(fmt.Sprintf(body, space))
	answer, status, challenge, err := c.post(ctx, address, text, "")
	if err == nil && status == http.StatusUnauthorized && challenge != "" && c.Username != "" {
		answer, status, _, err = c.post(ctx, address, text, digest(challenge, c.Username, c.Password, address))
	}
	switch {
	case err != nil:
		return shardlog.Errorf(shardlog.Unavailable, "ask camera", "%w", err)
	case status == http.StatusUnauthorized || bytes.Contains(answer, []byte("NotAuthorized")):
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

func (c *Client) post(ctx context.Context, address, text, authorization string) (answer []byte, status int, challenge string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(text))
	if err != nil {
		return nil, 0, "", err
	}
	request.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, "", err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return answer, response.StatusCode, response.Header.Get("WWW-Authenticate"), err
}

// digest answers an HTTP digest challenge (RFC 7616) as cameras know it: MD5,
// qop auth or none.
func digest(challenge, user, password, address string) string {
	if !strings.HasPrefix(strings.ToLower(challenge), "digest ") {
		return ""
	}
	values := map[string]string{}
	for _, field := range strings.Split(challenge[len("digest "):], ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		values[strings.ToLower(name)] = strings.Trim(value, `"`)
	}
	path := address
	if i := strings.Index(address, "://"); i >= 0 {
		rest := address[i+3:]
		path = "/"
		if j := strings.IndexByte(rest, '/'); j >= 0 {
			path = rest[j:]
		}
	}
	sum := func(text string) string { h := md5.Sum([]byte(text)); return hex.EncodeToString(h[:]) }
	a1, a2 := sum(user+":"+values["realm"]+":"+password), sum("POST:"+path)
	var b [8]byte
	rand.Read(b[:]) // never fails
	client := hex.EncodeToString(b[:])
	response, extra := sum(a1+":"+values["nonce"]+":"+a2), ""
	if strings.Contains(values["qop"], "auth") {
		response = sum(a1 + ":" + values["nonce"] + ":00000001:" + client + ":auth:" + a2)
		extra = fmt.Sprintf(`, qop=auth, nc=00000001, cnonce="%s"`, client)
	}
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"%s`, user, values["realm"], values["nonce"], path, response, extra)
}
