package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"

	"headgate/gateway"
)

// lamp is a device as AWS's device SDKs are: it subscribes to what is answered,
// and then asks.
type lamp struct {
	t     *testing.T
	came  chan string
	heard map[string]bool // what is not heard again: QoS 1 may bring it twice
	paho.Client
}

func newLamp(t *testing.T, broker, id string) *lamp {
	t.Helper()
	l := &lamp{t: t, came: make(chan string, 64), heard: map[string]bool{}}
	o := paho.NewClientOptions().AddBroker("tcp://" + broker).SetClientID(id).SetCleanSession(false).SetAutoReconnect(false)
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
		topic, _ := strings.CutPrefix(m.Topic(), "$aws/things/"+id+"/shadow/")
		l.came <- fmt.Sprintf("%d %s %s", m.Qos(), topic, m.Payload())
	})
	l.Client = paho.NewClient(o)
	l.done(l.Connect())
	return l
}

func (l *lamp) done(token paho.Token) {
	l.t.Helper()
	if !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		l.t.Fatal("mqtt:", token.Error())
	}
}

// hears waits for messages in order, by how they begin.
func (l *lamp) hears(all ...string) {
	l.t.Helper()
	for _, want := range all {
		if got := l.next(want); !strings.HasPrefix(got, want) {
			l.t.Errorf("heard %s, want %s", got, want)
		}
	}
}

func (l *lamp) next(want string) string {
	l.t.Helper()
	for {
		select {
		case got := <-l.came:
			if !l.heard[got] {
				l.heard[got] = true
				return got
			}
		case <-time.After(10 * time.Second):
			l.t.Fatalf("did not hear %s", want)
		}
	}
}

// TestShadowsByMQTT: a device asks for its shadow, is told of what is desired of
// it, also of what was desired while it was away and the gateway was down.
func TestShadowsByMQTT(t *testing.T) {
	data := t.TempDir()
	open := func(c *gateway.Config) { c.Open = true }
	g, stop := start(t, data, open)
	l := newLamp(t, g.Addresses().MQTT, "lamp")
	base := "$aws/things/lamp/shadow/"
	for _, what := range []string{"get/+", "update/accepted", "update/rejected", "update/delta", "delete/+"} {
		l.done(l.Subscribe(base+what, 1, nil))
	}
	l.done(l.Publish(base+"get", 1, false, ""))
	l.hears(`1 get/rejected {"code":404`)
	l.done(l.Publish(base+"update", 0, false, `{"state":{"reported":{"on":false}},"clientToken":"a"}`))
	l.hears(`1 update/accepted {"clientToken":"a",`)
	desire := func(on bool) {
		t.Helper()
		in := &iotdataplane.UpdateThingShadowInput{ThingName: aws.String("lamp"), Payload: fmt.Appendf(nil, `{"state":{"desired":{"on":%v}}}`, on)}
		if _, err := things(g.Addresses().API, "x", "y").UpdateThingShadow(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	desire(true)
	l.hears(`1 update/accepted`, `1 update/delta {"metadata":{"on":{"timestamp":`)
	l.Disconnect(100)
	desire(false)
	desire(true)
	stop()
	g, _ = start(t, data, open)
	before := l.heard
	l = newLamp(t, g.Addresses().MQTT, "lamp")
	l.heard = before
	l.hears(`1 update/accepted`, `1 update/accepted`, `1 update/delta`)
	l.done(l.Publish(base+"update", 1, false, `{"state":{"reported":{"on":true}},"version":4}`))
	l.hears(`1 update/accepted`)
	l.done(l.Publish(base+"update", 1, false, `{"state":{"reported":{"on":true}},"version":4}`))
	l.hears(`1 update/rejected {"code":409`)
	l.done(l.Publish(base+"get", 1, false, `{"clientToken":"g"}`))
	l.hears(`1 get/accepted {"clientToken":"g","metadata":{"desired":{"on":{"timestamp":`)
	l.done(l.Publish(base+"delete", 1, false, ""))
	l.hears(`1 delete/accepted {"timestamp":`)
	l.Disconnect(100)
}

// TestADeviceHasItsOwnShadow: without rules of its own a device reaches its own
// thing's shadow, and no other.
func TestADeviceHasItsOwnShadow(t *testing.T) {
	f := newFleet(t)
	claim, err := f.client().NewDeviceClaim(t.Context(), gateway.DeviceClaimOrder{Device: "press-7"})
	if err != nil {
		t.Fatal(err)
	}
	certificate, _ := f.enrol(claim.Code, "press-7")
	c, err := f.connect("press-7", "", certificate)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect(0)
	came := make(chan string, 8)
	if token := c.Subscribe("$aws/things/press-7/shadow/+/accepted", 1, func(_ paho.Client, m paho.Message) { came <- string(m.Payload()) }); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	update := func(thing string) {
		c.Publish("$aws/things/"+thing+"/shadow/update", 1, false, `{"state":{"reported":{"by":"press-7"}}}`).WaitTimeout(10 * time.Second)
	}
	update("press-7")
	select {
	case <-came:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was accepted")
	}
	other := c.Subscribe("$aws/things/press-8/shadow/#", 1, nil).(*paho.SubscribeToken)
	if other.WaitTimeout(10*time.Second) && other.Result()["$aws/things/press-8/shadow/#"] != 0x80 {
		t.Errorf("another's shadow: %v", other.Result())
	}
	update("press-8")
	// MQTT 3.1.1 cannot say no: whoever may not publish is put out.
	if names, err := f.client().Shadows(t.Context(), "press-8"); err != nil || len(names) > 0 {
		t.Errorf("another's shadow was made: %q, %v", names, err)
	}
}
