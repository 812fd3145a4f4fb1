package webrtc_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	pion "github.com/pion/webrtc/v4"

	"headgate/firmware-sim/camera"
	"headgate/ingest/webrtc"
)

// unread is a body that nobody may look at.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body of a stranger was read")
	return 0, errors.New("unread")
}

// TestStrangersAreNotReadFrom: whoever may not come in is told so before his
// body is looked at.
func TestStrangersAreNotReadFrom(t *testing.T) {
	r := newRig(t, nil)
	for method, path := range map[string]string{"POST": "/whip/door", "PATCH": "/whip/door/0123", "DELETE": "/whep/door/0123"} {
		q := httptest.NewRequest(method, path, unread{t})
		q.Header.Set("Content-Type", typeSDP)
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, q)
		if w.Code != http.StatusUnauthorized || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
	if n := r.Stats().Denied; n != 3 {
		t.Errorf("%d were denied", n)
	}
}

// TestRedirectsKeepTheMethod: RFC 9725 §4.5 allows 307 and 308 alone.
func TestRedirectsKeepTheMethod(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/whip/door", "/whip/door/", "//whip/door", "/whip//door", "/whip/./door", "/whip/x/../door", "/whip", "/whip/"} {
		q := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
		q.URL.Path = path
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, q)
		if w.Code/100 == 3 && w.Code != http.StatusTemporaryRedirect && w.Code != http.StatusPermanentRedirect || w.Code/100 == 2 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// ways are the directions and ports of an answer's descriptions.
func ways(sdp string) []string {
	return regexp.MustCompile(`m=\w+ \d+|a=(?:sendrecv|sendonly|recvonly|inactive)`).FindAllString(sdp, -1)
}

// TestOneWay: whoever offers both ways gets the one that the door is for.
func TestOneWay(t *testing.T) {
	r := newRig(t, nil)
	_, both := offering(t, pion.RTPTransceiverDirectionSendrecv)
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, both)
	if want := []string{"m=video 9", "a=recvonly", "m=audio 9", "a=recvonly"}; !slices.Equal(ways(a.body), want) {
		t.Errorf("WHIP: %d %v", a.status, ways(a.body))
	}
	_, _ = r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}, Audio: camera.NoSound})
	until(t, "live", func() bool { return r.Live("door") })
	a = r.ask(http.MethodPost, "/whep/door", "v", typeSDP, both)
	if got := ways(a.body); len(got) != 4 || got[1] != "a=sendonly" || got[3] == "a=recvonly" || got[3] == "a=sendrecv" {
		t.Errorf("WHEP: %d %v %s", a.status, got, a.body)
	}
	deaf := peer(t)
	if _, err := deaf.AddTransceiverFromKind(pion.RTPCodecTypeAudio, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	if a := r.ask(http.MethodPost, "/whep/door", "v", typeSDP, offer(t, deaf)); a.status != http.StatusUnprocessableEntity {
		t.Errorf("sound of a camera without: %d %s", a.status, a.body)
	}
	onlyVP8 := regexp.MustCompile(`(?m)^a=(rtpmap|fmtp|rtcp-fb):\d+ (?:H26|VP9|AV1|profile-|level-|packetization).*\r\n`).ReplaceAllString(both, "")
	if a := r.ask(http.MethodPost, "/whep/door", "v", typeSDP, onlyVP8); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a viewer that cannot decode: %d %v", a.status, ways(a.body))
	}
}

// TestSessionsBelongToTheirRole: a viewer's token is good for no publisher's
// session, and a session takes no second offer.
func TestSessionsBelongToTheirRole(t *testing.T) {
	r := newRig(t, nil)
	_, sdp := offering(t, pion.RTPTransceiverDirectionSendonly)
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp)
	at := a.header.Get("Location")
	other := strings.Replace(at, "/whip/", "/whep/", 1)
	if a := r.ask(http.MethodGet, other, "v", "", ""); a.status != http.StatusNotFound {
		t.Errorf("GET: %d", a.status)
	}
	_ = r.ask(http.MethodDelete, other, "v", "", "")
	if a := r.ask(http.MethodPatch, other, "v", typeFragment, "a=end-of-candidates\r\n"); a.status != http.StatusNotFound {
		t.Errorf("PATCH: %d", a.status)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		if a := r.ask(method, at, "p", typeSDP, sdp); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	if a := r.ask(http.MethodGet, at, "p", "", ""); a.status != http.StatusNoContent {
		t.Errorf("the session is gone: %d", a.status)
	}
}

// TestChangesAreLimited: PATCH and DELETE have bounds of their own, wider ones.
func TestChangesAreLimited(t *testing.T) {
	r := newRig(t, func(c *webrtc.Config) { c.PerSecond = 0.01 })
	for _, method := range []string{http.MethodPatch, http.MethodDelete} {
		a := r.ask(method, "/whip/door/0123", "p", typeFragment, "a=end-of-candidates\r\n")
		if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}
	r = newRig(t, func(c *webrtc.Config) { c.PerSecond = 1 })
	passed := 0
	for range 100 {
		if r.ask(http.MethodPatch, "/whip/door/0123", "p", typeFragment, "").status == http.StatusNotFound {
			passed++
		}
	}
	if passed < 16 || passed > 60 {
		t.Errorf("%d of 100 passed", passed)
	}
}

// TestOverload: over a bound new sessions are refused with a time to wait, and
// those that are there go on: an offer that never connects ends nobody.
func TestOverload(t *testing.T) {
	r := newRig(t, func(c *webrtc.Config) { c.MaxPending = 3 })
	_, _ = r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}})
	until(t, "a take", func() bool { return len(r.spans()) == 1 })
	_, sdp := offering(t, pion.RTPTransceiverDirectionSendonly)
	for i, want := range []int{201, 201, 201, 503, 503} {
		a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp)
		if a.status != want || want == 503 && a.header.Get("Retry-After") == "" {
			t.Errorf("offer %d: %d %v", i+1, a.status, a.header)
		}
	}
	before := r.Stats()
	if before.Publishing != 4 || before.Limited != 2 || !r.Live("door") {
		t.Errorf("%+v", before)
	}
	until(t, "film goes on", func() bool { return r.Stats().Packets > before.Packets+100 })
	if n := len(r.spans()); n != 1 {
		t.Errorf("%d takes", n)
	}
}

// TestRestartsAtOnce: several at a time are answered one behind the other.
func TestRestartsAtOnce(t *testing.T) {
	r := newRig(t, nil)
	_, sdp := offering(t, pion.RTPTransceiverDirectionSendonly)
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp)
	at := a.header.Get("Location")
	answers := make(chan answer, 8)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := string(rune('a' + i))
			answers <- r.ask(http.MethodPatch, at, "p", typeFragment, "a=ice-ufrag:abc"+name+"\r\na=ice-pwd:abcdefghijklmnopqrstuv"+name+"\r\n", "If-Match", "*")
		})
	}
	all.Wait()
	close(answers)
	tags := map[string]bool{}
	for a := range answers {
		tags[a.header.Get("ETag")] = true
		if a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := r.ask(http.MethodGet, at, "p", "", ""); a.status != http.StatusNoContent || len(tags) != 8 {
		t.Errorf("%d, tags %v", a.status, tags)
	}
}

// TestPlayersTrickle: a viewer's candidates come without If-Match.
func TestPlayersTrickle(t *testing.T) {
	r := newRig(t, nil)
	_, _ = r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}})
	until(t, "live", func() bool { return r.Live("door") })
	_, sdp := offering(t, pion.RTPTransceiverDirectionRecvonly)
	a := r.ask(http.MethodPost, "/whep/door", "v", typeSDP, sdp)
	at := a.header.Get("Location")
	const candidate = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 nowhere.invalid 5000 typ host\r\n"
	for match, want := range map[string]int{"": 204, a.header.Get("ETag"): 204, `"old"`: 412, "*": 422} {
		if a := r.ask(http.MethodPatch, at, "v", typeFragment, candidate, "If-Match", match); a.status != want {
			t.Errorf("If-Match %s: %d %s", match, a.status, a.body)
		}
	}
	if a := r.ask(http.MethodDelete, at, "v", "", ""); a.status != http.StatusOK {
		t.Errorf("DELETE: %d", a.status)
	}
	until(t, "only the camera is left", func() bool { s := r.Stats(); return s.Watching == 0 && s.Publishing == 1 })
}
