package webrtc_test

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"headgate/shardlog"
)

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
