package mqtt

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"headgate/firehose"
)

// mute is a connection that takes everything and says nothing.
type mute struct{ net.Conn }

func (mute) SetDeadline(time.Time) error      { return nil }
func (mute) SetWriteDeadline(time.Time) error { return nil }

func toy(broker []byte) *conn {
	return &conn{Conn: mute{}, r: bufio.NewReader(bytes.NewReader(broker)), w: bufio.NewWriter(io.Discard), window: 2, patience: time.Second, retain: true, qos: 2}
}

// FuzzBroker: whatever a broker answers, a load ends, and a message counts as
// delivered only by its own answer.
func FuzzBroker(f *testing.F) {
	for _, s := range []string{"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x03\x00\x03\x87", "\x50\x02\x00\x01\x70\x02\x00\x01\x50\x03\x00\x02\x97", "\x20\x03\x00\x00\x00\x40\x02\x00\x01",
		"\xe0\x02\x8e\x00", "\xd0\x00", "\x20\x02\x00\x01", "\x40\xff\xff\xff\x7f", "\x40\x80\x80\x80\x80\x7f", "\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", "\x20\x08\x00\x00\x05\x21\x00\x05\x24\x01"} {
		f.Add([]byte(s), byte(1))
		f.Add([]byte(s), byte(2))
	}
	f.Fuzz(func(t *testing.T, broker []byte, qos byte) {
		_ = toy(broker).connect(&Config{ClientID: "x"}) // it must not panic
		all := make(load, 3)
		for i := range all {
			all[i].packet.QoS, all[i].packet.Properties = qos%3, Origin{}.properties(nil)
		}
		if err := toy(broker).publish(t.Context(), all); err == nil && all.unanswered() > 0 {
			t.Errorf("%d are not answered", all.unanswered())
		}
		if n := all.unanswered(); qos%3 > 0 && n < 3-len(broker)/4 {
			t.Errorf("%d of 3 are not answered after %d bytes", n, len(broker))
		}
	})
}

func TestClasses(t *testing.T) {
	for code, want := range map[byte]firehose.Class{
		0x80: firehose.Transient, 0x83: firehose.Transient, 0x84: firehose.Config, 0x85: firehose.Config, 0x86: firehose.Auth, 0x87: firehose.Auth, 0x88: firehose.Transient,
		0x89: firehose.Throttled, 0x8a: firehose.Auth, 0x8e: firehose.Transient, 0x90: firehose.Poison, 0x91: firehose.Transient, 0x95: firehose.Poison, 0x96: firehose.Throttled,
		0x97: firehose.Throttled, 0x99: firehose.Poison, 0x9b: firehose.Config, 0x9c: firehose.Config, 0x9f: firehose.Throttled,
	} {
		if got := class(reason{code: code}); got != want {
			t.Errorf("0x%02X: %s, want %s", code, got, want)
		}
	}
	all := load{{answered: true}, {answered: true, fault: &reason{code: 0x97}}, {answered: true, fault: &reason{code: 0x80}}, {answered: true}}
	if r := all.result(); r.Class != firehose.Throttled {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
	all[3].fault = &reason{code: 0x99}
	if r := all.result(); r.Class != firehose.Poison || len(r.Items) != 1 {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}
