package packet_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"headgate/firmware-sim/packet"
)

func read(b []byte) (packet.Raw, error) {
	return packet.Read(bufio.NewReader(bytes.NewReader(b)), 1<<20)
}

func TestMessagesComeBack(t *testing.T) {
	for _, m := range []packet.Message{
		{Topic: "a/b", Payload: []byte("x")},
		{Topic: "a", Payload: bytes.Repeat([]byte("long"), 5000), QoS: 1, ID: 65535, Retain: true},
		{Topic: "d/x", Payload: []byte{}, QoS: 2, ID: 7, Dup: true},
	} {
		r, err := read(m.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		m5 := m
		m5.ResponseTopic, m5.Correlation = "answer/here", []byte{1, 2}
		if r5, err := read(m5.Append5(nil)); err != nil {
			t.Error(err)
		} else if got, err := packet.Published5(r5); err != nil || !reflect.DeepEqual(got, m5) {
			t.Errorf("%.60v came back as %.60v: %v", m5, got, err)
		}
		if got, err := packet.Published(r); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%.60v came back as %.60v: %v", m, got, err)
		}
	}
}

// CONNECT is checked against the bytes of the standard's own example (MQTT
// 3.1.1, 3.1.2 and 3.1.3), written out by hand.
func TestConnectIsTheStandards(t *testing.T) {
	c := packet.Connect{ClientID: "id", Username: "u", Password: "p", KeepAlive: 10, Clean: true,
		Will: &packet.Message{Topic: "w", Payload: []byte("gone"), QoS: 1, Retain: true}}
	want := []byte{0x10, 29, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xee, 0, 10, 0, 2, 'i', 'd', 0, 1, 'w', 0, 4, 'g', 'o', 'n', 'e', 0, 1, 'u', 0, 1, 'p'}
	if got := c.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestWhatIsNoPacket(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"nothing":     {nil, io.EOF},
		"half":        {[]byte{0x30, 5, 0}, io.ErrUnexpectedEOF},
		"no length":   {[]byte{0x30}, io.ErrUnexpectedEOF},
		"long length": {[]byte{0x30, 0xff, 0xff, 0xff, 0xff, 1}, packet.ErrMalformed},
		"too large":   {[]byte{0x30, 0xff, 0xff, 0xff, 0x7f}, packet.ErrMalformed},
	} {
		if _, err := read(c.bytes); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := packet.Accepted(packet.Raw{Head: 0x20, Body: []byte{0, 5}}); !errors.Is(err, packet.Refused(5)) {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(packet.Message{Topic: "a", Payload: []byte("b"), QoS: 1, ID: 3}.Append(nil))
	f.Add(packet.Connect{ClientID: "x"}.Append(nil))
	f.Add(packet.Subscribe(nil, 1, false, "a/#"))
	f.Add([]byte{0x20, 2, 0, 0})
	f.Add(packet.Message{Topic: "a", Payload: []byte("b"), QoS: 1, ID: 3, ResponseTopic: "r", Correlation: []byte("c")}.Append5(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := read(b)
		if err != nil {
			return
		}
		if again, err := read(r.Append(nil)); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%v reads again as %v: %v", r, again, err)
		}
		if m, err := packet.Published(r); err == nil && m.QoS > 0 {
			if r2, err := read(m.Append(nil)); err != nil || !bytes.Equal(r2.Body, r.Body) {
				t.Fatalf("%v became %v", r, r2)
			}
		}
		_, _ = packet.Accepted(r)
		if m, err := packet.Published5(r); err == nil {
			r2, err := read(m.Append5(nil))
			if again, err2 := packet.Published5(r2); err != nil || err2 != nil || again.ResponseTopic != m.ResponseTopic || !bytes.Equal(again.Payload, m.Payload) {
				t.Fatalf("%v became %v: %v %v", m, again, err, err2)
			}
		}
	})
}
