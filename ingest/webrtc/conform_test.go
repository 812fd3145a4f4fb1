package webrtc_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	pion "github.com/pion/webrtc/v4"

	"headgate/ingest/webrtc"
)

// TestWHIPOpensASession: RFC 9725 §4.2: 201 with type, Location, ETag, and an
// answer that has all candidates and takes everything.
func TestWHIPOpensASession(t *testing.T) {
	r := newRig(t, nil)
	_, sdp := offering(t, pion.RTPTransceiverDirectionSendonly)
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp)
	if a.status != http.StatusCreated || a.header.Get("Content-Type") != typeSDP || a.header.Get("Accept-Patch") != typeFragment {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	if !regexp.MustCompile(`^/whip/door/[0-9a-f]{32}$`).MatchString(a.header.Get("Location")) || !regexp.MustCompile(`^"[0-9a-f]{32}"$`).MatchString(a.header.Get("ETag")) {
		t.Errorf("Location %q, ETag %q", a.header.Get("Location"), a.header.Get("ETag"))
	}
	for _, want := range []string{"a=candidate:", "a=recvonly", "a=setup:passive", "a=rtcp-mux\r\na=rtcp-mux-only", "a=group:BUNDLE 0 1"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the answer has no %q", want)
		}
	}
	if regexp.MustCompile(`a=candidate:\S+ 2 `).MatchString(a.body) || strings.Contains(a.body, "a=sendrecv") || strings.Contains(a.body, "G722") {
		t.Errorf("the answer: %s", a.body)
	}
	for _, protocol := range []string{" udp ", " tcp "} {
		if !strings.Contains(a.body, protocol) {
			t.Errorf("no%scandidate", protocol)
		}
	}
	at := a.header.Get("Location")
	if a := r.ask(http.MethodGet, at, "p", "", ""); a.status != http.StatusNoContent {
		t.Errorf("GET: %d", a.status)
	}
	for range 2 { // clients close first and delete then
		if a := r.ask(http.MethodDelete, at, "p", "", "", "If-Match", `"anything"`); a.status != http.StatusOK {
			t.Errorf("DELETE: %d", a.status)
		}
	}
	if a := r.ask(http.MethodGet, at, "p", "", ""); a.status != http.StatusNotFound {
		t.Errorf("GET behind DELETE: %d", a.status)
	}
}

// TestWhatWHIPRefuses is a table of offers and requests that open nothing.
func TestWhatWHIPRefuses(t *testing.T) {
	r := newRig(t, nil)
	_, good := offering(t, pion.RTPTransceiverDirectionSendonly)
	_, receiving := offering(t, pion.RTPTransceiverDirectionRecvonly)
	two := peer(t)
	for range 2 {
		if _, err := two.AddTransceiverFromKind(pion.RTPCodecTypeVideo, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly}); err != nil {
			t.Fatal(err)
		}
	}
	onlyData := peer(t)
	if _, err := onlyData.CreateDataChannel("x", nil); err != nil {
		t.Fatal(err)
	}
	foreign := regexp.MustCompile(`(?m)^a=(rtpmap|fmtp|rtcp-fb).*\r\n`).ReplaceAllString(good, "")
	for name, one := range map[string]struct {
		token, kind, body string
		want              int
	}{
		"no token":               {"", typeSDP, good, http.StatusUnauthorized},
		"the viewer's token":     {"v", typeSDP, good, http.StatusUnauthorized},
		"no token, no SDP":       {"", "text/plain", "x", http.StatusUnauthorized},
		"another type":           {"p", "text/plain", good, http.StatusUnsupportedMediaType},
		"no type":                {"p", "", good, http.StatusUnsupportedMediaType},
		"no SDP":                 {"p", typeSDP, "hello", http.StatusUnprocessableEntity},
		"nothing":                {"p", typeSDP, "", http.StatusUnprocessableEntity},
		"too long":               {"p", typeSDP, good + strings.Repeat("a=x\r\n", 20000), http.StatusRequestEntityTooLarge},
		"it wants to receive":    {"p", typeSDP, receiving, http.StatusUnprocessableEntity},
		"two pictures":           {"p", typeSDP, offer(t, two), http.StatusUnprocessableEntity},
		"only a data channel":    {"p", typeSDP, offer(t, onlyData), http.StatusUnprocessableEntity},
		"no fingerprint":         {"p", typeSDP, regexp.MustCompile(`(?m)^a=fingerprint.*\r\n`).ReplaceAllString(good, ""), http.StatusUnprocessableEntity},
		"simulcast":              {"p", typeSDP, strings.Replace(good, "a=sendonly", "a=sendonly\r\na=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l", 1), http.StatusUnprocessableEntity},
		"no codec that we do":    {"p", typeSDP, foreign, http.StatusUnprocessableEntity},
		"more than one encoding": {"p", typeSDP, strings.Replace(good, "a=sendonly", "a=sendonly\r\na=ssrc-group:FID 1 2\r\na=ssrc-group:SIM 1 3", 1), http.StatusUnprocessableEntity},
		"too many candidates":    {"p", typeSDP, strings.Replace(good, "a=sendonly\r\n", "a=sendonly\r\n"+strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n", 130), 1), http.StatusUnprocessableEntity},
		"no bundle":              {"p", typeSDP, strings.Replace(good, "a=group:BUNDLE 0 1\r\n", "", 1), http.StatusUnprocessableEntity},
		"half a bundle":          {"p", typeSDP, strings.Replace(good, "BUNDLE 0 1", "BUNDLE 0", 1), http.StatusUnprocessableEntity},
		"a port for RTCP":        {"p", typeSDP, strings.Replace(good, "a=rtcp-mux\r\n", "", 1), http.StatusUnprocessableEntity},
		"nothing flows":          {"p", typeSDP, strings.Replace(good, "a=sendonly", "a=inactive", 1), http.StatusUnprocessableEntity},
		"one is switched off":    {"p", typeSDP, strings.Replace(good, "m=audio 9", "m=audio 0", 1), http.StatusUnprocessableEntity},
		"another kind of media":  {"p", typeSDP, strings.Replace(good, "m=audio", "m=text", 1), http.StatusUnprocessableEntity},
	} {
		a := r.ask(http.MethodPost, "/whip/door", one.token, one.kind, one.body)
		if a.status != one.want || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, one.want)
		}
		if a.status == http.StatusUnauthorized && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: WWW-Authenticate %q", name, a.header.Get("WWW-Authenticate"))
		}
	}
	if a := r.ask(http.MethodPost, "/whip/nowhere", "p", typeSDP, good); a.status != http.StatusNotFound {
		t.Errorf("no such camera: %d", a.status)
	}
	for i := range 50 {
		_ = r.ask(http.MethodPost, fmt.Sprintf("/whip/nowhere%d", i), "p", typeSDP, good)
		if a := r.ask(http.MethodPost, fmt.Sprintf("/whep/nowhere%d", i), "v", typeSDP, receiving); a.status != http.StatusNotFound {
			t.Errorf("no such camera: %d", a.status)
		}
	}
	if n := r.Cameras(); n > 1 {
		t.Errorf("%d cameras are kept", n)
	}
	if a := r.ask(http.MethodPost, "/whip/a%20b", "p", typeSDP, good); a.status != http.StatusUnprocessableEntity {
		t.Errorf("no name of a camera: %d", a.status)
	}
	if n := r.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions are open", n)
	}
}

// TestPreflight: pages ask without a token what they may do.
func TestPreflight(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/whip/door", "/whep/door", "/whip/door/0123"} {
		a := r.ask(http.MethodOptions, path, "", "", "", "Origin", "https://elsewhere.example")
		if a.status != http.StatusOK || a.header.Get("Accept-Post") != typeSDP || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		for _, name := range []string{"Authorization", "Content-Type", "If-Match"} {
			if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("%s may not be sent", name)
			}
		}
		for _, name := range []string{"Location", "ETag", "Link", "Accept-Patch", "Retry-After"} {
			if !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), name) {
				t.Errorf("%s may not be seen", name)
			}
		}
	}
	if a := r.ask(http.MethodHead, "/whep/door", "v", "", ""); a.status != http.StatusOK || a.header.Get("Content-Type") != typeSDP {
		t.Errorf("HEAD of WHEP: %d %v", a.status, a.header)
	}
}

// TestTrickleAndRestart: RFC 9725 §4.3.
func TestTrickleAndRestart(t *testing.T) {
	r := newRig(t, nil)
	pc, sdp := offering(t, pion.RTPTransceiverDirectionSendonly)
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp)
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatal(err)
	}
	until(t, "connected", func() bool { return pc.ConnectionState() == pion.PeerConnectionStateConnected })
	at, tag := a.header.Get("Location"), a.header.Get("ETag")
	const candidate = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\na=candidate:1 2 udp 2130706431 nowhere.invalid 5000 typ host\r\na=end-of-candidates\r\n"
	restart := "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n" + candidate
	for name, one := range map[string]struct {
		match, kind, body string
		want              int
	}{
		"candidates":                {tag, typeFragment, candidate, http.StatusNoContent},
		"no If-Match":               {"", typeFragment, candidate, http.StatusPreconditionRequired},
		"an old tag":                {`"old"`, typeFragment, candidate, http.StatusPreconditionFailed},
		"another type":              {tag, "text/plain", candidate, http.StatusUnsupportedMediaType},
		"no fragment":               {tag, typeFragment, "hello", http.StatusUnprocessableEntity},
		"a restart without secrets": {"*", typeFragment, candidate, http.StatusUnprocessableEntity},
		"a secret too short":        {"*", typeFragment, "a=ice-ufrag:abcd\r\na=ice-pwd:abc\r\n", http.StatusUnprocessableEntity},
		"a secret of two words":     {"*", typeFragment, "a=ice-ufrag:ab cd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n", http.StatusUnprocessableEntity},
		"half a secret":             {"*", typeFragment, "a=ice-ufrag:abcd\r\n", http.StatusUnprocessableEntity},
		"too many":                  {tag, typeFragment, strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n", 40), http.StatusUnprocessableEntity},
		"too long":                  {tag, typeFragment, strings.Repeat("a=x\r\n", 5000), http.StatusRequestEntityTooLarge},
	} {
		if a := r.ask(http.MethodPatch, at, "p", one.kind, one.body, "If-Match", one.match); a.status != one.want || a.header.Get("ETag") != "" {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, one.want)
		}
	}
	if a := r.ask(http.MethodPatch, at, "", typeFragment, candidate, "If-Match", tag); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.status)
	}
	b := r.ask(http.MethodPatch, at, "p", typeFragment, restart, "If-Match", "*")
	if b.status != http.StatusOK || b.header.Get("Content-Type") != typeFragment || b.header.Get("ETag") == "" || b.header.Get("ETag") == tag {
		t.Fatalf("restart: %d %v %s", b.status, b.header, b.body)
	}
	ufrag := regexp.MustCompile(`a=ice-ufrag:(\S+)`)
	if before, after := ufrag.FindStringSubmatch(a.body), ufrag.FindStringSubmatch(b.body); len(after) < 2 || before[1] == after[1] || !strings.Contains(b.body, "a=candidate:") {
		t.Errorf("restart: %s", b.body)
	}
	if a := r.ask(http.MethodPatch, at, "p", typeFragment, candidate, "If-Match", tag); a.status != http.StatusPreconditionFailed {
		t.Errorf("the tag before the restart: %d", a.status)
	}
	if a := r.ask(http.MethodGet, at, "p", "", ""); a.status != http.StatusNoContent {
		t.Errorf("the session is gone: %d", a.status)
	}
}

// TestWHEPAnswersOnlyWhatIsThere: a viewer of a camera that does not send is
// told when to come again; one that wants to send, or a channel, is refused.
func TestWHEPAnswersOnlyWhatIsThere(t *testing.T) {
	r := newRig(t, nil)
	_, sdp := offering(t, pion.RTPTransceiverDirectionRecvonly)
	if a := r.ask(http.MethodPost, "/whep/door", "v", typeSDP, sdp); a.status != http.StatusNotFound || a.header.Get("Retry-After") == "" {
		t.Errorf("nobody sends: %d %v", a.status, a.header)
	}
	_, sending := offering(t, pion.RTPTransceiverDirectionSendonly)
	if a := r.ask(http.MethodPost, "/whep/door", "v", typeSDP, sending); a.status != http.StatusUnprocessableEntity {
		t.Errorf("it wants to send: %d", a.status)
	}
	talking := peer(t)
	if _, err := talking.AddTransceiverFromKind(pion.RTPCodecTypeVideo, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	if _, err := talking.CreateDataChannel("x", nil); err != nil {
		t.Fatal(err)
	}
	if a := r.ask(http.MethodPost, "/whep/door", "v", typeSDP, offer(t, talking)); a.status != http.StatusUnprocessableEntity {
		t.Errorf("it wants a channel: %d", a.status)
	}
	for _, query := range []string{"?start=tomorrow", "?start=1&speed=100", "?speed=x"} {
		if a := r.ask(http.MethodPost, "/whep/door"+query, "v", typeSDP, sdp); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

// TestPostsAreLimited: a burst from one address, then 429 with a time to wait.
func TestPostsAreLimited(t *testing.T) {
	r := newRig(t, func(c *webrtc.Config) { c.PerSecond = 1 })
	limited := 0
	for range 20 {
		if a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, "x"); a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") != "" {
			limited++
		}
	}
	if limited < 10 || r.Stats().Limited != uint64(limited) {
		t.Errorf("%d of 20 were limited, %d counted", limited, r.Stats().Limited)
	}
}
