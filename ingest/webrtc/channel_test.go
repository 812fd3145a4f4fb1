package webrtc_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"headgate/ingest/webrtc"
	"headgate/shardlog"
)

// receipt is what the door says of one message.
type receipt struct {
	N          uint64
	Stream     string
	Sequence   string
	Error      string
	RetryAfter int64 `json:"retry_after_ms"`
}

// talk publishes sound and a data channel, which is open when it returns.
func talk(t *testing.T, r *rig) (d *pion.DataChannel, said func() receipt) {
	t.Helper()
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
	return d, func() (one receipt) {
		select {
		case text := <-answers:
			if err := json.Unmarshal([]byte(text), &one); err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no receipt")
		}
		return one
	}
}

func send(t *testing.T, d *pion.DataChannel, text string) {
	t.Helper()
	if err := d.SendText(text); err != nil {
		t.Fatal(err)
	}
}

// TestMessagesAreAnsweredWhenTheyAreStored sends telemetry by a data channel:
// it is answered in order, with a place in the log or with the reason and the
// time after which the log might take it.
func TestMessagesAreAnsweredWhenTheyAreStored(t *testing.T) {
	r := newRig(t, nil)
	var trouble atomic.Pointer[shardlog.Error]
	r.log.Fail = func(op string) error {
		if e := trouble.Load(); op == "put" && e != nil {
			return e
		}
		return nil
	}
	d, said := talk(t, r)
	for range 20 {
		send(t, d, `{"v":1}`)
	}
	last := ""
	for i := range uint64(20) {
		one := said()
		if one.N != i+1 || one.Error != "" || len(one.Sequence) < len(last) || len(one.Sequence) == len(last) && one.Sequence <= last || one.Stream != "telemetry" {
			t.Fatalf("%+v behind %s", one, last)
		}
		last = one.Sequence
	}
	if n := len(r.log.Records("telemetry")); n != 20 {
		t.Errorf("%d records", n)
	}
	for i, e := range []shardlog.Error{
		{Kind: shardlog.Throttled, Op: "put", RetryAfter: time.Second},
		{Kind: shardlog.Unavailable, Op: "put", RetryAfter: 250 * time.Millisecond},
		{Kind: shardlog.Full, Op: "put"},
	} {
		trouble.Store(&e)
		send(t, d, "x")
		if one := said(); one.N != uint64(21+i) || one.Error != e.Kind.String() || one.RetryAfter != e.RetryAfter.Milliseconds() || one.Sequence != "" {
			t.Errorf("%v: %+v", e.Kind, one)
		}
	}
	trouble.Store(nil)
	send(t, d, "again")
	if one := said(); one.N != 24 || one.Error != "" || one.Sequence <= last {
		t.Errorf("%+v", one)
	}
	if all := r.log.Records("telemetry"); len(all) != 21 || string(all[20].Data) != "again" {
		t.Errorf("%d records", len(all))
	}
	if n := r.Stats().Messages; n != 24 {
		t.Errorf("%d messages counted", n)
	}
}

// TestMessagesThatAreTooLarge: senders are told how large they may be. One that
// is as large is stored; one that is larger does not get through, and the
// session goes on.
func TestMessagesThatAreTooLarge(t *testing.T) {
	r := newRig(t, nil)
	d, said := talk(t, r)
	send(t, d, strings.Repeat("x", 256<<10))
	if one := said(); one.N != 1 || one.Error != "" {
		t.Errorf("%+v", one)
	}
	if err := d.SendText(strings.Repeat("x", 256<<10+1)); err == nil {
		t.Error("too large, and not refused")
	}
	send(t, d, "small")
	if one := said(); one.N != 2 || one.Error != "" {
		t.Errorf("%+v", one)
	}
	if all := r.log.Records("telemetry"); len(all) != 2 || len(all[0].Data) != 256<<10 {
		t.Errorf("%d records", len(all))
	}
}

// stuck is a log that takes its time.
type stuck struct{ shardlog.Writer }

func (stuck) Put(ctx context.Context, _ shardlog.StreamName, _ []shardlog.Entry, _ ...shardlog.Mutation) ([]shardlog.Result, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestAMessageUnderWayHoldsNothingUp: the session ends though the log has not
// answered yet.
func TestAMessageUnderWayHoldsNothingUp(t *testing.T) {
	r := newRig(t, func(c *webrtc.Config) { c.Writer = stuck{} })
	d, _ := talk(t, r)
	send(t, d, "x")
	until(t, "it is under way", func() bool { return r.Stats().Messages == 1 })
	began := time.Now()
	r.shut()
	if took := time.Since(began); took > 20*time.Second { // the log may take 30
		t.Errorf("it took %v", took)
	}
}
