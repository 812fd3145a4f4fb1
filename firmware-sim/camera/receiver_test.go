package camera_test

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// receiver is a small WHIP server that keeps the packets of each session.
type receiver struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	sessions []*received // guarded by mu
	refuse   int         // guarded by mu, offers that are still to be refused
	deleted  int         // guarded by mu
}

// received is what came in one session.
type received struct {
	pc *webrtc.PeerConnection

	mu      sync.Mutex
	packets map[string]map[uint16]*rtp.Packet // guarded by mu, by kind
	reports map[string]*rtcp.SenderReport     // guarded by mu, the first of each kind
	codec   map[string]webrtc.RTPCodecParameters
}

const testToken = "a token"

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whip/{name}", r.post)
	mux.HandleFunc("DELETE /session/{id}", func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.deleted++
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("POST /moved", func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, "/whip/door", http.StatusTemporaryRedirect)
	})
	r.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		r.Close()
		for _, s := range r.all() {
			_ = s.pc.Close()
		}
	})
	return r
}

func (r *receiver) all() []*received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sessions)
}

func (r *receiver) post(w http.ResponseWriter, q *http.Request) {
	if q.Header.Get("Authorization") != "Bearer "+testToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	refused := r.refuse > 0
	if refused {
		r.refuse--
	}
	r.mu.Unlock()
	offer, err := io.ReadAll(q.Body)
	if refused || err != nil || q.Header.Get("Content-Type") != "application/sdp" {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	answer, err := r.answer(string(offer))
	if err != nil {
		r.t.Error(err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", "/session/1")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
}

func (r *receiver) answer(offer string) (string, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return "", err
	}
	media.RegisterFeedback(webrtc.RTCPFeedback{Type: "nack"}, webrtc.RTPCodecTypeAudio)
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	registry := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(media, registry); err != nil {
		return "", err
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings), webrtc.WithInterceptorRegistry(registry))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	s := &received{pc: pc, packets: map[string]map[uint16]*rtp.Packet{}, reports: map[string]*rtcp.SenderReport{}, codec: map[string]webrtc.RTPCodecParameters{}}
	pc.OnTrack(s.read)
	r.mu.Lock()
	r.sessions = append(r.sessions, s)
	r.mu.Unlock()
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}

func (s *received) read(track *webrtc.TrackRemote, from *webrtc.RTPReceiver) {
	kind := track.Kind().String()
	s.mu.Lock()
	s.packets[kind], s.codec[kind] = map[uint16]*rtp.Packet{}, track.Codec()
	s.mu.Unlock()
	go func() {
		for {
			packets, _, err := from.ReadRTCP()
			if err != nil {
				return
			}
			for _, packet := range packets {
				if report, ok := packet.(*rtcp.SenderReport); ok {
					s.mu.Lock()
					if s.reports[kind] == nil && report.SSRC == uint32(track.SSRC()) {
						s.reports[kind] = report
					}
					s.mu.Unlock()
				}
			}
		}
	}()
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.packets[kind][packet.SequenceNumber] = packet
		s.mu.Unlock()
	}
}

// count is how many packets of a kind came, each once.
func (s *received) count(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.packets[kind])
}

// ordered are the packets of a kind in the order of their sending but those of
// the last so many ticks of its clock, and how many are missing among them.
func (s *received) ordered(kind string, but uint32) (packets []*rtp.Packet, missing int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var any uint16
	for any = range s.packets[kind] {
		break
	}
	for _, p := range s.packets[kind] {
		packets = append(packets, p)
	}
	slices.SortFunc(packets, func(a, b *rtp.Packet) int {
		return cmp.Compare(int16(a.SequenceNumber-any), int16(b.SequenceNumber-any))
	})
	past := len(packets)
	for past > 0 && packets[len(packets)-1].Timestamp-packets[past-1].Timestamp < but {
		past--
	}
	packets = packets[:past]
	if len(packets) > 0 {
		missing = int(packets[len(packets)-1].SequenceNumber-packets[0].SequenceNumber) + 1 - len(packets)
	}
	return packets, missing
}

// stream puts the video, but for its end, together in Annex B form.
func (s *received) stream(t *testing.T, but uint32) (stream []byte, frames int) {
	t.Helper()
	packets, _ := s.ordered("video", but)
	var depacketizer codecs.H264Packet
	for _, p := range packets {
		nal, err := depacketizer.Unmarshal(p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if stream = append(stream, nal...); p.Marker {
			frames++
		}
	}
	return stream, frames
}

// until waits for a condition, at most half a minute.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s did not happen", strings.TrimSpace(what))
		}
	}
}
