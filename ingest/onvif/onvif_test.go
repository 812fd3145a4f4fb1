package onvif_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"headgate/ingest/onvif"
	"headgate/shardlog"
)

// device is a camera that answers as they do; its clock is three hours off.
type device struct {
	digest string // the algorithm of HTTP digest that it wants instead of WS-UsernameToken
	old    bool   // knows no GetServices
	url    string
}

const (
	user     = `the "admin", \ he`
	password = "sesame & <more>"
	realm    = `cam, "x"=1`
)

// proves says whether a request answers the device's challenge (RFC 7616).
func (d *device) proves(r *http.Request) bool {
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|[^,]+)`).FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
		values[m[1]] = regexp.MustCompile(`\\(.)`).ReplaceAllString(strings.Trim(m[2], `"`), "$1")
		if strings.HasSuffix(m[2], `\""`) { // Trim took one too many
			values[m[1]] += `"`
		}
	}
	sum := func(text string) string { h := md5.Sum([]byte(text)); return hex.EncodeToString(h[:]) }
	if d.digest == "SHA-256" {
		sum = func(text string) string { h := sha256.Sum256([]byte(text)); return hex.EncodeToString(h[:]) }
	}
	want := sum(sum(user+":"+realm+":"+password) + ":n,1:00000001:" + values["cnonce"] + ":auth:" + sum("POST:"+r.RequestURI))
	return values["username"] == user && values["nonce"] == "n,1" && values["uri"] == r.RequestURI && values["opaque"] == "o" && values["response"] == want
}

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
	if strings.Contains(asked.Body.Inner, "GetServices") && d.old {
		w.WriteHeader(http.StatusBadRequest)
		answer(`<s:Fault><s:Code><s:Subcode><s:Value>ter:ActionNotSupported</s:Value></s:Subcode></s:Code></s:Fault>`)
		return
	}
	if d.digest != "" {
		if !d.proves(r) {
			w.Header().Add("WWW-Authenticate", `Basic realm="no"`)
			w.Header().Add("WWW-Authenticate", `Digest realm="no", nonce="no", algorithm=SHA-512-256`)
			w.Header().Add("WWW-Authenticate", `Digest realm="cam, \"x\"=1", qop="auth,auth-int", nonce="n,1", algorithm=`+d.digest+`, opaque="o"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	} else {
		nonce, _ := base64.StdEncoding.DecodeString(asked.User.Nonce)
		sum := sha1.Sum([]byte(string(nonce) + asked.User.Created + password))
		created, err := time.Parse(time.RFC3339, asked.User.Created)
		if off := time.Until(created.Add(-3 * time.Hour)); err != nil || off < -time.Minute || off > time.Minute || asked.User.Username != user ||
			asked.User.Password != base64.StdEncoding.EncodeToString(sum[:]) {
			w.WriteHeader(http.StatusBadRequest)
			answer(`<s:Fault><s:Code><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code></s:Fault>`)
			return
		}
	}
	switch inner := asked.Body.Inner; {
	case strings.Contains(inner, "GetServices"):
		answer(`<t:GetServicesResponse><t:Service><t:Namespace>http://www.onvif.org/ver10/device/wsdl</t:Namespace><t:XAddr>` + d.url + `/no</t:XAddr></t:Service>` +
			`<t:Service><t:Namespace>http://www.onvif.org/ver10/media/wsdl</t:Namespace><t:XAddr>http://10.99.99.99:81/media</t:XAddr></t:Service></t:GetServicesResponse>`)
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
	for _, d := range []*device{{}, {old: true}, {digest: "MD5"}, {digest: "SHA-256", old: true}} {
		server := httptest.NewServer(d)
		defer server.Close()
		d.url = server.URL
		c := &onvif.Client{Address: server.URL + "/onvif/device_service?x=1", Username: user, Password: password}
		if err := c.Open(t.Context()); err != nil {
			t.Fatalf("%+v: %v", d, err)
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

// TestDevicesThatMeanIll: what is too long, what is no XML, who sends elsewhere.
func TestDevicesThatMeanIll(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("the question went elsewhere") }))
	defer elsewhere.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"long":   func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("<a>"), 1<<20)) },
		"no XML": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("hello")) },
		"empty":  func(w http.ResponseWriter, r *http.Request) {},
		"entities": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"no address": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`<e><Body><GetCapabilitiesResponse><Capabilities><Media><XAddr>file:///etc/passwd</XAddr></Media></Capabilities></GetCapabilitiesResponse></Body></e>`))
		},
	} {
		server := httptest.NewServer(answer)
		c := &onvif.Client{Address: server.URL + "/onvif", Username: user, Password: password}
		if err := c.Open(t.Context()); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
	for _, address := range []string{"", "ftp://camera/", "http://", "http://user:pass@camera/", "%zz"} {
		if err := (&onvif.Client{Address: address}).Open(t.Context()); shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// answers answers probes on a connection, as a device does that is at hosts.
func answers(t *testing.T, conn net.PacketConn, hosts string) {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		buffer := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if !strings.Contains(string(buffer[:n]), "NetworkVideoTransmitter") {
				continue
			}
			match := `<d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/The%20Yard onvif://www.onvif.org/hardware/X1</d:Scopes><d:XAddrs>` + hosts + `</d:XAddrs></d:ProbeMatch>`
			for _, text := range []string{"no XML", `<e:Envelope xmlns:e="a"><e:Body><d:ProbeMatches xmlns:d="b">` + match + match + `</d:ProbeMatches></e:Body></e:Envelope>`} {
				_, _ = conn.WriteTo([]byte(text), from)
			}
		}
	}()
}

func TestDiscovery(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answers(t, conn, "file:///etc http://[fe80::1]/onvif http://127.0.0.1/onvif/device_service http://192.0.2.7/onvif")
	ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stop()
	found, err := onvif.Discover(ctx, conn.LocalAddr().String())
	if err != nil || len(found) != 1 || found[0].Address != "http://127.0.0.1/onvif/device_service" || found[0].Name != "The Yard" || found[0].Model != "X1" {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := onvif.Discover(ctx, "no such host.invalid:3702"); err == nil {
		t.Error("nobody was asked")
	}
}

// TestDiscoveryByNetwork asks every network of this box; a device listens in
// each.
func TestDiscoveryByNetwork(t *testing.T) {
	if os.Getenv("HEADGATE_ONVIF_APART") == "" {
		apart(t)
		return
	}
	networks := 0
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		addresses, _ := one.Addrs()
		if one.Flags&net.FlagUp == 0 || one.Flags&net.FlagMulticast == 0 || one.Flags&net.FlagLoopback != 0 || !strings.Contains(fmt.Sprint(addresses), ".") {
			continue
		}
		conn, err := net.ListenMulticastUDP("udp4", &one, &net.UDPAddr{IP: net.IPv4(239, 255, 255, 250), Port: 3702})
		if err != nil {
			t.Fatal(err)
		}
		answers(t, conn, fmt.Sprintf("http://%s.test/onvif", one.Name))
		networks++
	}
	if networks != 2 {
		t.Fatalf("%d networks", networks)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	found, err := onvif.Discover(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, d := range found {
		if strings.HasSuffix(d.Address, ".test/onvif") {
			ours++
		}
	}
	if ours != networks {
		t.Errorf("%d of %d networks: %+v", ours, networks, found)
	}
}

// apart runs the test again in a network namespace of its own, with two
// networks that lead nowhere: nothing is sent where others are.
func apart(t *testing.T) {
	t.Helper()
	unshare, err := exec.LookPath("unshare")
	if _, e := exec.LookPath("ip"); err != nil || e != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("it takes root, util-linux and iproute2 to make a network namespace")
		}
		t.Skip("it takes root, util-linux and iproute2 to make a network namespace")
	}
	const script = `ip link set lo up && ip link add net1 type veth peer name net2 || exit 1
for n in 1 2; do ip address add 10.77.$n.1/24 dev net$n && ip link set net$n multicast on up || exit 1; done
exec "$0" -test.run '^TestDiscoveryByNetwork$' -test.count 1`
	cmd := exec.CommandContext(t.Context(), unshare, "--net", "sh", "-c", script, os.Args[0])
	cmd.Env = append(os.Environ(), "HEADGATE_ONVIF_APART=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
