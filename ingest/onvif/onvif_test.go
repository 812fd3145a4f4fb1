package onvif_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"headgate/ingest/onvif"
	"headgate/shardlog"
)

// device is a camera that answers as they do; its clock is three hours off.
type device struct {
	digest bool // wants HTTP digest instead of WS-UsernameToken
	url    string
}

const password = "sesame & <more>"

func (d *device) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	var asked struct {
		User struct {
			Username, Password, Nonce, Created string
		} `xml:"Header>Security>UsernameToken"`
		Body struct {
			Inner string `xml:",innerxml"`
		}
	}
	if err := xml.Unmarshal(text, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := func(body string) {
		fmt.Fprintf(w, `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:t="x" xmlns:tt="y"><s:Body>%s</s:Body></s:Envelope>`, body)
	}
	if strings.Contains(asked.Body.Inner, "GetSystemDateAndTime") { // the only question that anybody may ask
		t := time.Now().Add(3 * time.Hour).UTC()
		answer(fmt.Sprintf(`<t:GetSystemDateAndTimeResponse><t:SystemDateAndTime><tt:UTCDateTime><tt:Time><tt:Hour>%d</tt:Hour><tt:Minute>%d</tt:Minute><tt:Second>%d</tt:Second></tt:Time>`+
			`<tt:Date><tt:Year>%d</tt:Year><tt:Month>%d</tt:Month><tt:Day>%d</tt:Day></tt:Date></tt:UTCDateTime></t:SystemDateAndTime></t:GetSystemDateAndTimeResponse>`,
			t.Hour(), t.Minute(), t.Second(), t.Year(), t.Month(), t.Day()))
		return
	}
	if d.digest {
		if !strings.HasPrefix(r.Header.Get("Authorization"), `Digest username="admin", realm="cam", nonce="n1"`) {
			w.Header().Set("WWW-Authenticate", `Digest realm="cam", nonce="n1", qop="auth", algorithm=MD5`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	} else {
		nonce, _ := base64.StdEncoding.DecodeString(asked.User.Nonce)
		sum := sha1.Sum([]byte(string(nonce) + asked.User.Created + password))
		created, err := time.Parse(time.RFC3339, asked.User.Created)
		if off := time.Until(created.Add(-3 * time.Hour)); err != nil || off < -time.Minute || off > time.Minute || asked.User.Username != "admin" ||
			asked.User.Password != base64.StdEncoding.EncodeToString(sum[:]) {
			w.WriteHeader(http.StatusBadRequest)
			answer(`<s:Fault><s:Code><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code></s:Fault>`)
			return
		}
	}
	switch inner := asked.Body.Inner; {
	case strings.Contains(inner, "GetCapabilities"):
		answer(`<t:GetCapabilitiesResponse><t:Capabilities><tt:Media><tt:XAddr>` + d.url + `/media</tt:XAddr></tt:Media></t:Capabilities></t:GetCapabilitiesResponse>`)
	case strings.Contains(inner, "GetProfiles"):
		answer(`<t:GetProfilesResponse><t:Profiles token="main 50%"><tt:Name>Main</tt:Name><tt:VideoEncoderConfiguration><tt:Encoding>H264</tt:Encoding>` +
			`<tt:Resolution><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration></t:Profiles></t:GetProfilesResponse>`)
	case strings.Contains(inner, "GetStreamUri") && strings.Contains(inner, "main 50%"):
		answer(`<t:GetStreamUriResponse><t:MediaUri><tt:Uri>rtsp://192.0.2.7/main?a=1&amp;b=2</tt:Uri></t:MediaUri></t:GetStreamUriResponse>`)
	case strings.Contains(inner, "GetSnapshotUri"):
		answer(`<t:GetSnapshotUriResponse><t:MediaUri><tt:Uri>http://192.0.2.7/still.jpg</tt:Uri></t:MediaUri></t:GetSnapshotUriResponse>`)
	default:
		http.Error(w, inner, http.StatusNotImplemented)
	}
}

func TestADeviceTellsItsStreams(t *testing.T) {
	for _, digest := range []bool{false, true} {
		d := &device{digest: digest}
		server := httptest.NewServer(d)
		defer server.Close()
		d.url = server.URL
		c := &onvif.Client{Address: server.URL + "/onvif/device_service", Username: "admin", Password: password}
		if err := c.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		profiles, err := c.Profiles(t.Context())
		if err != nil || len(profiles) != 1 || profiles[0] != (onvif.Profile{Token: "main 50%", Name: "Main", Codec: "H264", Width: 1920, Height: 1080}) {
			t.Fatalf("%+v, %v", profiles, err)
		}
		stream, err := c.StreamURI(t.Context(), profiles[0].Token)
		if err != nil || stream != "rtsp://192.0.2.7/main?a=1&b=2" {
			t.Errorf("%q, %v", stream, err)
		}
		still, err := c.SnapshotURI(t.Context(), profiles[0].Token)
		if err != nil || still != "http://192.0.2.7/still.jpg" {
			t.Errorf("%q, %v", still, err)
		}
		wrong := &onvif.Client{Address: c.Address, Username: "guest", Password: "x"}
		if err := wrong.Open(t.Context()); shardlog.KindOf(err) != shardlog.Denied {
			t.Errorf("a stranger: %v", err)
		}
	}
}

func TestDiscovery(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		buffer := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if !strings.Contains(string(buffer[:n]), "NetworkVideoTransmitter") {
				continue
			}
			match := `<d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/Yard onvif://www.onvif.org/hardware/X1</d:Scopes><d:XAddrs>http://192.0.2.7/onvif/device_service http://[fe80::1]/onvif</d:XAddrs></d:ProbeMatch>`
			for _, text := range []string{"no XML", `<e:Envelope xmlns:e="a"><e:Body><d:ProbeMatches xmlns:d="b">` + match + match + `</d:ProbeMatches></e:Body></e:Envelope>`} {
				_, _ = conn.WriteTo([]byte(text), from)
			}
		}
	}()
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	found, err := onvif.Discover(ctx, conn.LocalAddr().String())
	if err != nil || len(found) != 1 || found[0].Address != "http://192.0.2.7/onvif/device_service" || found[0].Name != "Yard" || found[0].Model != "X1" {
		t.Errorf("%+v, %v", found, err)
	}
}
