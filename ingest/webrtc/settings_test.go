package webrtc_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"headgate/ingest/webrtc"
	"headgate/shardlog"
)

// fingerprint is that of the door's certificate.
func fingerprint(t *testing.T, r *rig) string {
	t.Helper()
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, someOffer(t))
	return regexp.MustCompile(`a=fingerprint:.*`).FindString(a.body)
}

// TestTheKeyIsKept: a gateway has the same fingerprint after a restart, and
// says so when it cannot read its key.
func TestTheKeyIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "dtls.pem")
	keep := func(c *webrtc.Config) { c.KeyFile = file }
	first := newRig(t, keep)
	print := fingerprint(t, first)
	if until := first.Expires(); until.Before(time.Now().AddDate(100, 0, 0)) { // else a gateway that runs for long opens no session
		t.Errorf("it expires %v", until)
	}
	if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", i, err)
	}
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	second := newRig(t, keep)
	if again := fingerprint(t, second); again != print || print == "" {
		t.Errorf("%s, and then %s", print, again)
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(key) {
		t.Errorf("the key is another: %v", err)
	}
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := second.config
	if _, err := webrtc.New(c); shardlog.KindOf(err) != shardlog.Corrupt {
		t.Errorf("a broken key: %v", err)
	}
}

// TestFurtherHosts: answers have the addresses under which we are reached from
// elsewhere, and those of our own that are let through.
func TestFurtherHosts(t *testing.T) {
	r := newRig(t, func(c *webrtc.Config) { c.Hosts = []string{"192.0.2.7"} })
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, someOffer(t))
	addresses := map[string]bool{}
	for _, m := range regexp.MustCompile(`a=candidate:\S+ 1 \S+ \d+ (\S+) `).FindAllStringSubmatch(a.body, -1) {
		addresses[m[1]] = true
	}
	if len(addresses) != 2 || !addresses["192.0.2.7"] || !addresses["127.0.0.1"] {
		t.Errorf("%d %v", a.status, addresses)
	}
}

// TestPublishersAreToldHowMuchTheyMaySend: by REMB, the ceiling of now.
func TestPublishersAreToldHowMuchTheyMaySend(t *testing.T) {
	r := newRig(t, func(c *webrtc.Config) {
		c.Ceiling = func(shardlog.StreamName) int { return 400_000 }
	})
	pc := peer(t)
	local, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8, ClockRate: 90000}, "video", "x")
	if err != nil {
		t.Fatal(err)
	}
	sender, err := pc.AddTransceiverFromTrack(local, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	a := r.ask(http.MethodPost, "/whip/door", "p", typeSDP, offer(t, pc))
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	var told, pictures atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			packets, _, err := sender.Sender().ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				switch p := p.(type) {
				case *rtcp.ReceiverEstimatedMaximumBitrate:
					if slices.Contains(p.SSRCs, uint32(sender.Sender().GetParameters().Encodings[0].SSRC)) {
						told.Store(int64(p.Bitrate))
					}
				case *rtcp.PictureLossIndication:
					pictures.Add(1)
				}
			}
		}
	}()
	seq := uint16(0)
	until(t, "told", func() bool {
		seq++
		_ = local.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 3000, Marker: true}, Payload: []byte{0x10, 0x01, 0, 0}})
		return told.Load() != 0 && pictures.Load() > 1 // no key frame comes, and is asked for again
	})
	if n := told.Load(); n < 390_000 || n > 400_000 {
		t.Errorf("told %d", n)
	}
	_ = pc.GracefulClose()
	<-done
}

// TestWhatAServerNeeds: the fields that have no default.
func TestWhatAServerNeeds(t *testing.T) {
	if _, err := webrtc.New(webrtc.Config{}); err == nil || !strings.Contains(err.Error(), "Authorize") {
		t.Errorf("%v", err)
	}
	r := newRig(t, nil)
	c := r.config
	c.Address = r.Addr().String()
	s, err := webrtc.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err == nil {
		t.Error("a port in use was opened")
	}
}
