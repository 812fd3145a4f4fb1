package onvif

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// said answers every question with the same bytes.
type said []byte

func (s said) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(s)), Header: http.Header{}}, nil
}

// FuzzAnswers reads what devices say, to a probe and to each question.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`<e><Body><ProbeMatches><ProbeMatch><Scopes>onvif://www.onvif.org/name/%20a</Scopes><XAddrs>http://192.0.2.7/onvif http://[::1]/</XAddrs></ProbeMatch></ProbeMatches></Body></e>`))
	f.Add([]byte(`<e><Body><GetServicesResponse><Service><Namespace>http://www.onvif.org/ver10/media/wsdl</Namespace><XAddr>http://x/m</XAddr></Service></GetServicesResponse>` +
		`<GetProfilesResponse><Profiles token="a"><Name>b</Name><VideoEncoderConfiguration><Encoding>H264</Encoding><Resolution><Width>1</Width></Resolution></VideoEncoderConfiguration></Profiles></GetProfilesResponse>` +
		`<GetStreamUriResponse><MediaUri><Uri>rtsp://x/</Uri></MediaUri></GetStreamUriResponse></Body></e>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, d := range matches(text, netip.MustParseAddr("192.0.2.7")) {
			if _, err := service(d.Address); err != nil {
				t.Errorf("%+v: %v", d, err)
			}
		}
		c := &Client{Address: "http://192.0.2.7/onvif", Username: "a", Password: "b", HTTP: &http.Client{Transport: said(text)}}
		if c.Open(t.Context()) != nil {
			return
		}
		if u, err := url.Parse(c.media); err != nil || u.Hostname() != "192.0.2.7" {
			t.Errorf("asks %q", c.media)
		}
		profiles, _ := c.Profiles(t.Context())
		if len(profiles) > maxProfiles {
			t.Errorf("%d profiles", len(profiles))
		}
		_, _ = c.StreamURI(t.Context(), "a")
	})
}

// FuzzChallenge answers what devices ask for.
func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a, \"b\"", nonce="c", qop="auth,auth-int", algorithm=SHA-256, opaque=""`)
	f.Add(`Digest nonce="\`)
	f.Fuzz(func(t *testing.T, text string) {
		answer := digest([]string{text}, "a", "secret", &url.URL{Scheme: "http", Host: "x", Path: "/"})
		if answer != "" && !strings.HasPrefix(answer, "Digest ") || strings.Contains(answer, "secret") && !strings.Contains(text, "secret") {
			t.Errorf("%q", answer)
		}
	})
}
