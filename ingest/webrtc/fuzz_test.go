package webrtc_test

import (
	"testing"

	"headgate/ingest/webrtc"
)

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
