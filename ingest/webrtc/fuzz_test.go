package webrtc_test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	pion "github.com/pion/webrtc/v4"

	"headgate/firmware-sim/camera"
	"headgate/ingest/webrtc"
)

func FuzzFragment(f *testing.F) {
	f.Add("a=ice-ufrag:a\r\na=ice-pwd:b\r\nm=audio 9 X 0\r\na=mid:0\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\na=end-of-candidates\r\n")
	f.Add("a=\r\n\r\nx")
	f.Fuzz(func(t *testing.T, text string) {
		_ = webrtc.ParseFragment(text)
		tidy := webrtc.TidyAnswer(text)
		if again := webrtc.TidyAnswer(strings.ReplaceAll(tidy, "a=rtcp-mux-only\r\n", "")); again != tidy && !strings.Contains(text, "a=rtcp-mux-only") {
			t.Errorf("%q, tidied again %q", tidy, again)
		}
		_ = webrtc.FragmentOf(tidy)
	})
}

func FuzzOffer(f *testing.F) {
	f.Add("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 00\r\na=ice-ufrag:x\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-mux\r\na=sendonly\r\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_ = webrtc.CheckOffer(text, webrtc.Publish)
		_ = webrtc.CheckOffer(text, webrtc.View)
	})
}

// mutate changes an offer as somebody would who tries doors.
func mutate(random *rand.Rand, offer string) string {
	lines := strings.SplitAfter(offer, "\n")
	for range 1 + random.IntN(4) {
		i, j := random.IntN(len(lines)), random.IntN(len(lines))
		switch random.IntN(7) {
		case 0: // one is missing
			lines = slices.Delete(slices.Clone(lines), i, i+1)
		case 1: // or there twice
			lines = slices.Insert(slices.Clone(lines), i, lines[j])
		case 2:
			lines[i], lines[j] = lines[j], lines[i]
		case 3: // a number is another
			lines[i] = strings.Replace(lines[i], string(rune('0'+random.IntN(10))), []string{"", "-1", "0", "65536", "99999999999999999999"}[random.IntN(5)], 1)
		case 4: // a word is cut
			lines[i] = lines[i][:random.IntN(len(lines[i])+1)] + "\r\n"
		case 5:
			b := []byte(lines[i])
			if len(b) > 0 {
				b[random.IntN(len(b))] = byte(random.IntN(256))
			}
			lines[i] = string(b)
		case 6:
			lines[i] = strings.TrimRight(lines[i], "\r\n") + strings.Repeat(" "+strings.TrimSpace(lines[j]), 1+random.IntN(50)) + "\r\n"
		}
		if len(lines) == 0 {
			lines = []string{""}
		}
	}
	return strings.Join(lines, "")
}

// knock posts an offer and deletes what it opens. The door never fails.
func knock(t *testing.T, r *rig, path, token, offer string) {
	t.Helper()
	q := httptest.NewRequest(http.MethodPost, path, bytes.NewReader([]byte(offer)))
	q.Header.Set("Content-Type", typeSDP)
	q.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, q)
	switch w.Code {
	case http.StatusCreated:
		q := httptest.NewRequest(http.MethodDelete, w.Header().Get("Location"), nil)
		q.Header.Set("Authorization", "Bearer "+token)
		r.Handler().ServeHTTP(httptest.NewRecorder(), q)
	case http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
	case http.StatusNotFound: // nothing is stored
	default:
		t.Errorf("%d %s\n%q", w.Code, w.Body, offer)
	}
}

// TestMutatedOffers posts offers that are almost right to both doors, while a
// camera films.
func TestMutatedOffers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	_, _ = r.film(camera.Config{Video: camera.Video{Width: 320, Height: 180}})
	until(t, "live", func() bool { return r.Live("door") })
	random := rand.New(rand.NewPCG(7, 7))
	_, sending := offering(t, pion.RTPTransceiverDirectionSendonly)
	_, receiving := offering(t, pion.RTPTransceiverDirectionRecvonly)
	for range 400 {
		knock(t, r, "/whip/door", "p", mutate(random, sending))
		knock(t, r, "/whep/door", "v", mutate(random, receiving))
	}
	until(t, "only the camera is left", func() bool { return r.Stats().Sessions == 1 })
	if n := len(r.spans()); n > 1 {
		t.Errorf("%d takes", n)
	}
}

// TestMutatedFragments changes a session that is connected by what is almost
// right. It is there in the end.
func TestMutatedFragments(t *testing.T) {
	r := newRig(t, nil)
	pc, sdp := offering(t, pion.RTPTransceiverDirectionSendonly)
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, sdp)
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatal(err)
	}
	at, random := a.header.Get("Location"), rand.New(rand.NewPCG(5, 5))
	fragment := webrtc.FragmentOf(sdp)
	for i := range 400 {
		match := "*"
		if i < 300 {
			match = a.header.Get("ETag")
		}
		b := r.ask(http.MethodPatch, at, "p", typeFragment, mutate(random, fragment), "If-Match", match)
		if b.status != http.StatusOK && b.status != http.StatusNoContent && b.status != http.StatusUnprocessableEntity {
			t.Errorf("%d %s", b.status, b.body)
		}
	}
	if a := r.ask(http.MethodGet, at, "p", "", ""); a.status != http.StatusNoContent {
		t.Errorf("the session is gone: %d", a.status)
	}
}

// FuzzPost posts any offer to both doors.
func FuzzPost(f *testing.F) {
	_, sending := offering(f, pion.RTPTransceiverDirectionSendonly)
	_, receiving := offering(f, pion.RTPTransceiverDirectionRecvonly)
	f.Add(sending)
	f.Add(receiving)
	f.Add("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 00\r\na=ice-ufrag:x\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-mux\r\na=sendonly\r\n")
	r := newRig(f, nil)
	f.Fuzz(func(t *testing.T, text string) {
		knock(t, r, "/whip/door", "p", text)
		knock(t, r, "/whep/door?start=1764244800000", "v", text)
	})
}
