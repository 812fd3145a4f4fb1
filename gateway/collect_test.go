package gateway_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/gateway"
	"headgate/shardlog"
)

// TestOtherDoors: pages, OpenTelemetry, Telegraf and syslog bring records, each
// with what it has to show, and are answered when the log has them.
func TestOtherDoors(t *testing.T) {
	dir := t.TempDir()
	secret := func(name, text string) gateway.Secret {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return gateway.Secret{File: file}
	}
	token := secret("token", "a-token-that-is-long-enough")
	g, _ := start(t, filepath.Join(dir, "data"), func(c *gateway.Config) {
		c.Collect, c.Syslog, c.CollectToken = "127.0.0.1:0", "127.0.0.1:0", &token
		c.Sites = []gateway.SiteConfig{{Name: "shop", Key: secret("shop", "key-of-the-shop-0001"), Origins: []string{"https://shop.example"}, Streams: []shardlog.StreamName{"telemetry"}}}
	})
	url := "http://" + g.Addresses().Collect
	post := func(path, content, body string, headers ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", content)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	const logs = `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"press"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}`
	for _, c := range []struct {
		path, content, body string
		headers             []string
		status              int
	}{
		{"/streams/telemetry/records?k=key-of-the-shop-0001", "text/plain", "click", []string{"Origin", "https://shop.example"}, 200},
		{"/streams/telemetry/records?k=key-of-the-shop-0001", "text/plain", "click", []string{"Origin", "https://other.example"}, 403},
		{"/streams/telemetry/records?k=key-of-another-0001", "text/plain", "click", nil, 403},
		{"/v1/logs", "application/json", logs, []string{"Authorization", "Bearer a-token-that-is-long-enough"}, 200},
		{"/v1/logs", "application/json", logs, []string{"Authorization", "Bearer a-token-that-is-wrong-here"}, 401},
		{"/v1/logs", "application/json", logs, nil, 401},
		{"/write?db=plant", "text/plain", "temperature,line=7 value=21.5", []string{"Authorization", "Token a-token-that-is-long-enough"}, 204},
		{"/write?db=plant&u=x&p=a-token-that-is-long-enough", "text/plain", "temperature,line=7 value=22", nil, 204},
		{"/write?db=plant", "text/plain", "temperature,line=7 value=21.5", nil, 401},
	} {
		if status, text := post(c.path, c.content, c.body, c.headers...); status != c.status {
			t.Errorf("%s %v: %d %s, want %d", c.path, c.headers, status, text, c.status)
		}
	}
	conn, err := net.Dial("udp", g.Addresses().Syslog)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "<13>1 2026-11-27T10:00:00Z router app - - - link is up")
	until(t, 20*time.Second, "all is counted", func() (string, bool) {
		text := metricsOf(t, g)
		for _, want := range []string{`headgate_collected_records_total{door="web"} 1`, `headgate_collected_records_total{door="otlp"} 1`,
			`headgate_collected_records_total{door="line"} 2`, `headgate_collected_records_total{door="syslog"} 1`, "headgate_collected_denied_total 3"} {
			if !strings.Contains(text, want+"\n") {
				return want, false
			}
		}
		return "", true
	})
	pair := g.FirstKey()
	k := client(g, pair.ID, pair.Secret)
	if got := read(t, k, "syslog", 1); got["<13>1 2026-11-27T10:00:00Z router app - - - link is up"] != 1 {
		t.Error(got)
	}
	if got := read(t, k, "otel-logs", 1); got[logs] != 1 {
		t.Error(got)
	}
	if got := read(t, k, "telemetry", 3); got["click"] != 1 || got["temperature,line=7 value=21.5"] != 1 {
		t.Error(got)
	}
}

// TestPostedMessagesReachSubscribers: POST /topics publishes, as MQTT does.
func TestPostedMessagesReachSubscribers(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) { c.Open, c.Collect = true, "127.0.0.1:0" })
	heard := make(chan paho.Message, 10)
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + g.Addresses().MQTT).SetClientID("listener"))
	if token := c.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer c.Disconnect(0)
	if token := c.Subscribe("plant/#", 1, func(_ paho.Client, m paho.Message) { heard <- m }); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	answer, err := http.Post("http://"+g.Addresses().Collect+"/topics/plant/line/1", "application/json", strings.NewReader(`{"x":1}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	select {
	case m := <-heard:
		if m.Topic() != "plant/line/1" || string(m.Payload()) != `{"x":1}` || m.Qos() != 1 {
			t.Errorf("%s %q, QoS %d", m.Topic(), m.Payload(), m.Qos())
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing was heard")
	}
}
