package mqtt_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
)

// page opens a WebSocket as a page of an origin would.
func page(t *testing.T, at, origin string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	d := websocket.Dialer{Subprotocols: []string{"mqtt"}, HandshakeTimeout: 10 * time.Second}
	c, response, err := d.Dial("ws"+strings.TrimPrefix(at, "http")+"/mqtt", header)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, response, err
}

// pieces sends what is written in messages of a few bytes, and reads messages
// as a stream.
type pieces struct {
	*websocket.Conn
	size int
	now  io.Reader
}

func (p *pieces) Write(b []byte) (int, error) {
	for left := b; len(left) > 0; {
		n := min(len(left), p.size)
		if err := p.WriteMessage(websocket.BinaryMessage, left[:n]); err != nil {
			return 0, err
		}
		left = left[n:]
	}
	return len(b), nil
}

func (p *pieces) Read(b []byte) (int, error) {
	for {
		if p.now == nil {
			_, next, err := p.NextReader()
			if err != nil {
				return 0, err
			}
			p.now = next
		}
		n, err := p.now.Read(b)
		if err == io.EOF {
			p.now, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (p *pieces) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

func TestWebSocket(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) { c.Origins = []string{"https://app.example"} })
	web := httptest.NewServer(r.WebSocket())
	defer web.Close()
	for _, size := range []int{1, 7, 1 << 20} {
		inner, _, err := page(t, web.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		p := &pieces{Conn: inner, size: size}
		c := &raw{t: t, Conn: into{Conn: inner.NetConn(), w: p}, version: 5}
		c.in = bufio.NewReader(p)
		if ack := c.connect("page", nil); ack.ReasonCode != 0 {
			t.Fatalf("connack %#x", ack.ReasonCode)
		}
		c.send(subscribe(1, 1, "a"))
		granted(t, c, 1, 1)
		c.send(publish(2, 1, "a", strings.Repeat("x", 40000)))
		for range 2 { // PUBACK, and the message
			if pk, err := c.receive(); err != nil || pk.FixedHeader.Type == packets.Publish && len(pk.Payload) != 40000 {
				t.Fatalf("by %d: type %d, %d bytes, %v", size, pk.FixedHeader.Type, len(pk.Payload), err)
			}
		}
		inner.Close()
	}
	eventually(t, "they are gone", func() bool { return r.Stats().Connections == 0 })
	if n := len(r.records(t, "telemetry")); n != 3 {
		t.Errorf("%d records", n)
	}
}

func TestWhichPagesMayConnect(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) { c.Origins = []string{"https://app.example"} })
	web := httptest.NewServer(r.WebSocket())
	defer web.Close()
	for origin, want := range map[string]bool{"": true, web.URL: true, "https://app.example": true, "https://evil.example": false, "null": false, "https://app.example.evil": false} {
		_, response, err := page(t, web.URL, origin)
		if (err == nil) != want || !want && response.StatusCode != http.StatusForbidden {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
	// A name that leads here does not make its pages the gateway's own.
	named := http.Header{"Origin": {"http://evil.example:1"}, "Host": {"evil.example:1"}}
	d := websocket.Dialer{Subprotocols: []string{"mqtt"}, HandshakeTimeout: 10 * time.Second}
	if _, response, err := d.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/mqtt", named); err == nil || response == nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("a page by a name of its own: %v", err)
	}
	response, err := http.Get(web.URL)
	if err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("no websocket: %v, %v", response, err)
	}
	c, _, err := page(t, web.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	c.WriteMessage(websocket.TextMessage, []byte("hello"))
	if _, _, err := c.ReadMessage(); err == nil {
		t.Error("a text message was taken")
	}
	r.stop()
	if c, _, err := page(t, web.URL, ""); err == nil {
		if _, _, err := c.ReadMessage(); err == nil {
			t.Error("it serves after its end")
		}
	}
}
