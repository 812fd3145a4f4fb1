package gateway_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/gateway"
)

// TestRoutesLeadByTemplates: a ChirpStack, a Sparkplug edge node and sites with
// streams of their own publish to one gateway.
func TestRoutesLeadByTemplates(t *testing.T) {
	sparkplug, err := os.ReadFile("../ingest/decode/testdata/sparkplug.txt")
	if err != nil {
		t.Fatal(err)
	}
	no := false
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) {
		c.AutoCreate = gateway.AutoCreateConfig{Streams: []string{"site-*"}, Max: 2}
		c.Routes = []gateway.RouteConfig{
			{Preset: "chirpstack", Stream: "lora"},
			{Preset: "sparkplug", Stream: "sparkplug"},
			{Topic: "site/+/#", Stream: "site-{topic.2|lower}", Key: "{json.pump}", Shards: 1},
			{Topic: "raw/#", Stream: "raw", Fanout: &no},
		}
	})
	o := paho.NewClientOptions().AddBroker("tcp://" + g.Addresses().MQTT).SetClientID("dev").SetConnectTimeout(10 * time.Second)
	device := paho.NewClient(o)
	finish := func(token paho.Token) {
		t.Helper()
		if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	finish(device.Connect())
	defer device.Disconnect(0)
	heard := make(chan string, 20)
	finish(device.Subscribe("#", 1, func(_ paho.Client, m paho.Message) { heard <- m.Topic() }))
	sent := 0
	publish := func(topic string, payload []byte) {
		t.Helper()
		finish(device.Publish(topic, 1, false, payload))
		sent++
	}
	publish("application/7/device/0101010101010101/event/up", []byte(`{"fPort":1}`))
	for line := range strings.Lines(string(sparkplug)) {
		topic, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		payload, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		publish(topic, payload)
	}
	publish("spBv1.0/plant/NDATA/edge1", []byte("nonsense"))
	publish("site/North/x", []byte(`{"pump":1}`))
	publish("site/south/x", []byte(`{}`))
	publish("site/west/x", []byte(`{"pump":1}`))
	publish("raw/x", []byte("x"))
	for range sent - 1 {
		select {
		case topic := <-heard:
			if topic == "raw/x" {
				t.Error("what is only recorded was sent to a subscriber")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("subscribers are not sent what was published")
		}
	}
	records := map[string]uint64{}
	for _, s := range g.Status().Streams {
		records[s.Name] = s.Records
	}
	for stream, want := range map[string]uint64{"lora": 1, "sparkplug": 8, "site-north": 1, "site-south": 1, "telemetry": 1, "raw": 1} {
		if records[stream] != want {
			t.Errorf("%s has %d records, want %d", stream, records[stream], want)
		}
	}
	text := metricsOf(t, g)
	for _, line := range []string{
		"headgate_routes_unkeyed_total 1", `headgate_routes_defaulted_total{reason="full"} 1`, "headgate_routes_streams 2",
		`headgate_routes_malformed_total{format="sparkplug"} 1`, `headgate_sparkplug_events_total{event="birth"} 2`, "headgate_sparkplug_historical_total 1",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics has no %q", line)
		}
	}
}
