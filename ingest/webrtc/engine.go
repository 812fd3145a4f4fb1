package webrtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"headgate/shardlog"
)

// engine makes what all sessions share: codecs, interceptors, ICE.
func (s *Server) engine() error {
	media, err := recorded()
	if err != nil {
		return err
	}
	chain, err := interceptors(media)
	if err != nil {
		return err
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	settings := webrtc.SettingEngine{LoggerFactory: quiet}
	s.udpMux = webrtc.NewICEUDPMux(quiet.NewLogger("ice"), s.udp)
	s.tcpMux = webrtc.NewICETCPMux(quiet.NewLogger("ice"), s.tcp, tcpQueue)
	settings.SetICEUDPMux(s.udpMux)
	settings.SetICETCPMux(s.tcpMux)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.DisableActiveTCP(true)
	settings.SetReceiveMTU(receiveMTU)
	settings.SetSCTPMaxMessageSize(maxMessage)
	if err := settings.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return err
	}
	s.interfaces(&settings)
	if err := s.hosts(&settings); err != nil {
		return err
	}
	s.settings = settings
	s.api = webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(chain), webrtc.WithSettingEngine(settings))
	return nil
}

const (
	tcpQueue   = 64   // packets that wait on one ICE-TCP connection
	receiveMTU = 1600 // bytes

	// maxMessage is the largest message of a data channel, in bytes; senders are
	// told. It is what browsers send at most, and less than a record holds.
	maxMessage = 256 << 10
)

// interfaces keeps candidates to where we listen.
func (s *Server) interfaces(settings *webrtc.SettingEngine) {
	host, _, err := net.SplitHostPort(s.udp.LocalAddr().String())
	ip := net.ParseIP(host)
	if err != nil || ip == nil || ip.IsUnspecified() {
		return
	}
	settings.SetIncludeLoopbackCandidate(ip.IsLoopback())
	settings.SetIPFilter(func(candidate net.IP) bool { return candidate.Equal(ip) })
}

// hosts offers further addresses.
func (s *Server) hosts(settings *webrtc.SettingEngine) error {
	if len(s.config.Hosts) == 0 {
		return nil
	}
	return settings.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
		External: s.config.Hosts, AsCandidateType: webrtc.ICECandidateTypeHost, Mode: webrtc.ICEAddressRewriteAppend,
	})
}

// recorded are the codecs that we record, in the order in which they are liked.
func recorded() (*webrtc.MediaEngine, error) {
	feedback := []webrtc.RTCPFeedback{{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	const h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id="
	m := &webrtc.MediaEngine{}
	for i, v := range []struct{ mime, fmtp string }{
		{webrtc.MimeTypeH264, h264 + "42e01f"}, {webrtc.MimeTypeH264, h264 + "42001f"}, {webrtc.MimeTypeH264, h264 + "4d001f"}, {webrtc.MimeTypeH264, h264 + "640032"},
		{webrtc.MimeTypeVP8, ""}, {webrtc.MimeTypeVP9, "profile-id=0"}, {webrtc.MimeTypeVP9, "profile-id=2"}, {webrtc.MimeTypeAV1, ""}, {webrtc.MimeTypeH265, ""},
	} {
		main, rtx := webrtc.PayloadType(96+2*i), webrtc.PayloadType(97+2*i)
		err := errors.Join(
			m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: main, RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: v.mime, ClockRate: videoRate, SDPFmtpLine: v.fmtp, RTCPFeedback: feedback}}, webrtc.RTPCodecTypeVideo),
			m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: rtx, RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: webrtc.MimeTypeRTX, ClockRate: videoRate, SDPFmtpLine: fmt.Sprintf("apt=%d", main)}}, webrtc.RTPCodecTypeVideo))
		if err != nil {
			return nil, err
		}
	}
	for _, a := range []webrtc.RTPCodecParameters{
		{PayloadType: 120, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2,
			SDPFmtpLine: "minptime=10;useinbandfec=1", RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}}}},
		{PayloadType: 0, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000}},
		{PayloadType: 8, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMA, ClockRate: 8000}},
	} {
		if err := m.RegisterCodec(a, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, err
		}
	}
	return m, nil
}

const videoRate = 90000

// interceptors are reports both ways, transport-wide feedback to publishers,
// and answers to viewers who miss packets. Asking publishers for what is
// missing is ours (nack.go).
func interceptors(m *webrtc.MediaEngine) (*interceptor.Registry, error) {
	chain := &interceptor.Registry{}
	receiver, err := report.NewReceiverInterceptor()
	if err != nil {
		return nil, err
	}
	sender, err := report.NewSenderInterceptor()
	if err != nil {
		return nil, err
	}
	responder, err := nack.NewResponderInterceptor(nack.ResponderSize(512))
	if err != nil {
		return nil, err
	}
	chain.Add(responder)
	chain.Add(receiver)
	chain.Add(sender)
	return chain, webrtc.ConfigureTWCCSender(m, chain)
}

// openIdentity reads the key that DTLS speaks with, or makes it: a gateway
// keeps its fingerprint.
func openIdentity(file string) (webrtc.Certificate, error) {
	key, err := readKey(file)
	if err != nil {
		return webrtc.Certificate{}, err
	}
	c, err := certify(key)
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("make DTLS certificate: %w", err)
	}
	return webrtc.CertificateFromX509(key, c), nil
}

// certify makes the certificate of a key, always the same one. It does not
// expire: nobody looks at anything but its fingerprint, which the session
// description vouches for; pion's own expires within a month, and then opens no
// session any more.
func certify(key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	name := pkix.Name{CommonName: "headgate"}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name, Issuer: name,
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 §4.1.2.5: no good date
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key) // signed without randomness (RFC 6979)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func readKey(file string) (*ecdsa.PrivateKey, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err == nil {
			block, _ := pem.Decode(text)
			if block == nil {
				return nil, shardlog.Errorf(shardlog.Corrupt, "read DTLS key", "%s holds no PEM: remove it, and another is made", file)
			}
			return x509.ParseECPrivateKey(block.Bytes)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read DTLS key: %w", err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil || file == "" {
		return key, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("keep DTLS key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("keep DTLS key: %w", err)
	}
	return key, nil
}
