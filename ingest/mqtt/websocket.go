package mqtt

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// WebSocket is the door for pages: MQTT over WebSocket (MQTT 5.0, 6), wherever
// the roof mounts it. A page may come if it is the gateway's own or of one of
// Config.Origins; whoever is no browser names none. It answers 503 while
// Run does not serve.
func (s *Server) WebSocket() http.Handler {
	up := &websocket.Upgrader{
		HandshakeTimeout: s.cfg.ConnectTimeout, ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, WriteBufferPool: &s.frames, // else each connection would have one
		Subprotocols: []string{"mqtt", "mqttv3.1"}, CheckOrigin: s.welcomes,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.ContainsFunc(websocket.Subprotocols(r), func(p string) bool { return slices.Contains(up.Subprotocols, p) }) {
			http.Error(w, "the subprotocol is mqtt (MQTT 5.0, 6)", http.StatusBadRequest)
			return
		}
		inner, err := up.Upgrade(w, r, nil)
		if err != nil {
			s.stats.turnedAway.Add(1)
			s.cfg.Log.Info("refuse websocket", "remote", r.RemoteAddr, "origin", r.Header.Get("Origin"), "error", err)
			return // Upgrade has answered
		}
		if !s.take(&framed{Conn: inner.NetConn(), frames: inner, state: r.TLS}) {
			_ = inner.Close() // the server is full, or ends
		}
	})
}

// take serves a socket that did not come through a listener; false: it does not.
func (s *Server) take(socket net.Conn) bool {
	s.stats.accepted.Add(1)
	if !s.claim(socket) {
		s.stats.turnedAway.Add(1)
		return false
	}
	s.mu.Lock()
	ctx := s.taking
	if ctx != nil {
		s.serving.Go(func() { s.greet(ctx, socket, nil) })
	}
	s.mu.Unlock()
	if ctx == nil {
		s.release(socket)
	}
	return ctx != nil
}

// admitSockets says whether sockets are taken: not before and not after Run serves.
func (s *Server) admitSockets(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taking = ctx
}

// welcomes reports whether a page of the request's origin may connect. Without
// TLS the gateway's own page is one of an address: whoever owns a name may have
// it lead here, and a page of that name would be at home (DNS rebinding).
func (s *Server) welcomes(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	own := strings.EqualFold(u.Host, r.Host) && (r.TLS != nil || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()) != nil)
	return own || slices.ContainsFunc(s.cfg.Origins, func(one string) bool { return one == "*" || strings.EqualFold(one, origin) })
}

// framed is a WebSocket as a stream of bytes: where packets lie in messages
// means nothing (MQTT 5.0, 6.0.0-3).
type framed struct {
	net.Conn
	frames *websocket.Conn
	state  *tls.ConnectionState // nil without TLS
	now    io.Reader            // the message that is being read, nil between two
}

// Read reads the next bytes of binary messages; a text message ends the stream.
func (f *framed) Read(b []byte) (int, error) {
	for {
		if f.now == nil {
			kind, next, err := f.frames.NextReader()
			switch {
			case websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived):
				return 0, io.EOF
			case err != nil:
				return 0, err
			case kind != websocket.BinaryMessage:
				return 0, errMalformed
			}
			f.now = next
		}
		n, err := f.now.Read(b)
		if err == io.EOF {
			f.now, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write writes whole packets, each as a message of its own: clients are known
// that look at the first packet of a message only (paho C 1.3.12).
func (f *framed) Write(b []byte) (int, error) {
	out := make([]byte, 0, len(b)+len(b)/8+16)
	for left := b; len(left) > 0; {
		_, size, n, err := packetAt(left)
		if err != nil || n == 0 || n+size > len(left) {
			return 0, errMalformed // what is written is whole packets
		}
		out = appendFrame(out, left[:n+size])
		left = left[n+size:]
	}
	if _, err := f.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// appendFrame appends a binary message of a server (RFC 6455, 5.2).
func appendFrame(b, message []byte) []byte {
	const whole = 0x80
	b = append(b, whole|websocket.BinaryMessage)
	switch n := len(message); {
	case n < 126:
		b = append(b, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, message...)
}

// Close says goodbye as WebSocket has it, and closes.
func (f *framed) Close() error {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = f.frames.WriteControl(websocket.CloseMessage, bye, time.Now().Add(farewellTime)) // it is closed either way
	return f.frames.Close()
}
