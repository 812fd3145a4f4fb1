package mqtt_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"headgate/ingest/mqtt"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// door runs an MQTT door over a log until the test ends or stop is called.
func door(t *testing.T, m *shardlogtest.Memory, w shardlog.Writer, change func(*mqtt.Config)) (s *mqtt.Server, stop func()) {
	t.Helper()
	c := mqtt.Config{Listen: []string{"127.0.0.1:0"}, Writer: w, Control: m, States: m, Reader: m, Catalog: m, DrainTimeout: time.Second}
	if change != nil {
		change(&c)
	}
	s, err := mqtt.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

// device is a client that does exactly what a test says, MQTT 3.1.1 or 5.
type device struct {
	t  *testing.T
	c  net.Conn
	r  *bufio.Reader
	v5 bool
}

const patience = 10 * time.Second

func connect(t *testing.T, s *mqtt.Server, id string, v5 bool) *device {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	d := &device{t, c, bufio.NewReader(c), v5}
	level, more := byte(4), []byte(nil)
	if v5 {
		level, more = 5, []byte{0}
	}
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', level, 0, 0, 60}, more...)
	d.send(0x10, append(body, text(id)...))
	if kind, body := d.packet(); kind != 0x20 || body[1] != 0 {
		t.Fatalf("CONNACK %x %x", kind, body)
	}
	return d
}

func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func (d *device) send(first byte, body []byte) {
	d.t.Helper()
	out := append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
	if _, err := d.c.Write(out); err != nil {
		d.t.Fatalf("send %x: %v", first, err)
	}
}

func (d *device) publish(id uint16, qos byte, dup bool, payload string) {
	d.t.Helper()
	first := 0x30 | qos<<1
	if dup {
		first |= 8
	}
	body := binary.BigEndian.AppendUint16(text("plant/line"), id)
	if d.v5 {
		body = append(body, 0)
	}
	d.send(first, append(body, payload...))
}

func (d *device) release(id uint16) { d.send(0x62, binary.BigEndian.AppendUint16(nil, id)) }

// packet reads one packet.
func (d *device) packet() (first byte, body []byte) {
	d.t.Helper()
	if err := d.c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	first, err := d.r.ReadByte()
	if err != nil {
		d.t.Fatalf("no packet: %v", err)
	}
	n, err := binary.ReadUvarint(d.r)
	if err != nil {
		d.t.Fatal(err)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(d.r, body); err != nil {
		d.t.Fatal(err)
	}
	return first, body
}

// answered wants an answer of the kind to the packet with that id.
func (d *device) answered(first byte, id uint16) {
	d.t.Helper()
	kind, body := d.packet()
	if kind != first || binary.BigEndian.Uint16(body) != id {
		d.t.Fatalf("got %x %x, want %x for %d", kind, body, first, id)
	}
}

// silent wants nothing to come for a while.
func (d *device) silent() {
	d.t.Helper()
	if err := d.c.SetReadDeadline(time.Now().Add(60 * time.Millisecond)); err != nil {
		d.t.Fatal(err)
	}
	if b, err := d.r.ReadByte(); err == nil {
		d.t.Fatalf("got %x before the log had the record", b)
	}
}

// hungUp wants the gateway to end the connection.
func (d *device) hungUp() {
	d.t.Helper()
	if err := d.c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, d.r); err != nil {
		if n, ok := err.(net.Error); ok && n.Timeout() {
			d.t.Fatal("the connection stays")
		}
	}
}
