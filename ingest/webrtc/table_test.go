package webrtc_test

import (
	"encoding/json"
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

func TestWhenMissingPacketsAreAskedFor(t *testing.T) {
	var n webrtc.Nacks
	at := time.Unix(0, 0)
	var asked []time.Duration
	for ms := range 700 {
		now := at.Add(time.Duration(ms) * time.Millisecond)
		if len(n.Due([]uint16{7}, now)) > 0 {
			asked = append(asked, now.Sub(at))
		}
	}
	want := []time.Duration{10, 70, 130, 190, 250}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked at %v, want %v", asked, want)
	}
	if due := n.Due(nil, at); due != nil || len(n.Due([]uint16{7}, at)) != 0 {
		t.Error("a packet that came is remembered")
	}
}

func TestAnswersAreTidied(t *testing.T) {
	const answer = "v=0\r\nm=audio 9 X 0\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=rtcp-mux\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\na=candidate:1 2 udp 5 127.0.0.1 1 typ host\r\na=end-of-candidates\r\nm=video 9 X 1\r\na=mid:1\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\n"
	tidy := webrtc.TidyAnswer(answer)
	if strings.Contains(tidy, " 2 udp ") || strings.Count(tidy, "a=rtcp-mux-only\r\n") != 1 {
		t.Errorf("%s", tidy)
	}
	const want = "m=audio 9 X 0\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\na=end-of-candidates\r\n"
	if got := webrtc.FragmentOf(tidy); got != want {
		t.Errorf("%q", got)
	}
}

// TestMessagesAreAnsweredWhenTheyAreStored sends telemetry by a data channel.
func TestMessagesAreAnsweredWhenTheyAreStored(t *testing.T) {
	r := newRig(t, nil)
	var busy atomic.Bool
	r.log.Fail = func(op string) error {
		if op == "put" && busy.Load() {
			return &shardlog.Error{Kind: shardlog.Throttled, Op: "put", RetryAfter: time.Second}
		}
		return nil
	}
	pc := peer(t)
	if _, err := pc.AddTransceiverFromKind(pion.RTPCodecTypeAudio, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly}); err != nil {
		t.Fatal(err)
	}
	d, err := pc.CreateDataChannel("wind", nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, answers := make(chan struct{}), make(chan string, 100)
	d.OnOpen(func() { close(opened) })
	d.OnMessage(func(m pion.DataChannelMessage) { answers <- string(m.Data) })
	a := r.ask("POST", "/whip/door", "p", typeSDP, offer(t, pc))
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	<-opened
	type receipt struct {
		N          uint64
		Sequence   string
		Error      string
		RetryAfter int64 `json:"retry_after_ms"`
	}
	said := func() (one receipt) {
		if err := json.Unmarshal([]byte(<-answers), &one); err != nil {
			t.Fatal(err)
		}
		return one
	}
	for range 20 {
		if err := d.SendText(`{"v":1}`); err != nil {
			t.Fatal(err)
		}
	}
	last := ""
	for i := range uint64(20) {
		one := said()
		if one.N != i+1 || one.Error != "" || one.Sequence <= last {
			t.Fatalf("%+v behind %s", one, last)
		}
		last = one.Sequence
	}
	if n := len(r.log.Records("telemetry")); n != 20 {
		t.Errorf("%d records", n)
	}
	busy.Store(true)
	if err := d.SendText("x"); err != nil {
		t.Fatal(err)
	}
	if one := said(); one.Error != "throttled" || one.RetryAfter != 1000 || one.Sequence != "" || one.N != 21 {
		t.Errorf("%+v", one)
	}
}

// TestTheSenderIsToldHowMuchItMaySend: by REMB, once a second.
func TestTheSenderIsToldHowMuchItMaySend(t *testing.T) {
	r := newRig(t, func(c *webrtc.Config) { c.Ceiling = func(shardlog.StreamName) int { return 500_000 } })
	pc := peer(t)
	local, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8, ClockRate: 90000}, "video", "x")
	if err != nil {
		t.Fatal(err)
	}
	sending, err := pc.AddTransceiverFromTrack(local, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan float32, 16)
	go func() { // ends with the connection
		for {
			packets, _, err := sending.Sender().ReadRTCP()
			if err != nil {
				return
			}
			for _, one := range packets {
				if remb, ok := one.(*rtcp.ReceiverEstimatedMaximumBitrate); ok {
					told <- remb.Bitrate
				}
			}
		}
	}()
	a := r.ask("POST", "/whip/door", "p", typeSDP, offer(t, pc))
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatalf("%v: %d %s", err, a.status, a.body)
	}
	seq := uint16(0)
	until(t, "a bit rate is told", func() bool {
		seq++
		_ = local.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, Marker: true, SequenceNumber: seq, Timestamp: uint32(seq) * 1800}, Payload: []byte{0x10, 1, 2, 3}})
		select {
		case bits := <-told:
			return bits > 450_000 && bits <= 500_000
		default:
			return false
		}
	})
}

func FuzzFragment(f *testing.F) {
	f.Add("a=ice-ufrag:a\r\na=ice-pwd:b\r\nm=audio 9 X 0\r\na=mid:0\r\na=candidate:1 1 udp 5 127.0.0.1 1 typ host\r\na=end-of-candidates\r\n")
	f.Add("a=\r\n\r\nx")
	f.Fuzz(func(_ *testing.T, text string) {
		_ = webrtc.ParseFragment(text)
		_ = webrtc.FragmentOf(webrtc.TidyAnswer(text))
	})
}

func FuzzOffer(f *testing.F) {
	f.Add("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 00\r\na=ice-ufrag:x\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_ = webrtc.CheckOffer(text, webrtc.Publish)
		_ = webrtc.CheckOffer(text, webrtc.View)
	})
}
