package gateway_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/gateway"
	"headgate/shardlog"
)

// mosquitto publishes lines, each a message of QoS 1, and returns when all are
// acknowledged.
func mosquitto(t *testing.T, broker, client, topic string, lines ...string) {
	t.Helper()
	path, err := exec.LookPath("mosquitto_pub")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: deploy/test installs it", err)
		}
		t.Skipf("%v: deploy/test installs it", err)
	}
	host, port, err := net.SplitHostPort(broker)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-h", host, "-p", port, "-i", client, "-t", topic, "-q", "1", "-l")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v: %s", err, text)
	}
}

// settledRule waits until a rule has seen all that there is.
func settledRule(t *testing.T, admin *gateway.Client, name string) gateway.RuleStatus {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for {
		r, err := admin.Rule(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		done := r.State == "running"
		for _, a := range r.Actions {
			done = done && a.LagRecords == 0
		}
		if done {
			return r
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%+v", r)
		}
	}
}

// TestARuleOutlivesKills: the process is killed while a rule is at work, and
// shards are split, and each message is done once.
func TestARuleOutlivesKills(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	id, secret := p.KeyID, p.SecretKey
	admin := gateway.Dial(data)
	for _, s := range []string{"out", "bad"} {
		if _, err := admin.CreateStream(t.Context(), s, gateway.StreamSpec{Shards: 2}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := admin.CreateRule(t.Context(), gateway.Rule{
		Name: "thirds", SQL: "SELECT *, topic(2) AS press FROM 'n/+' WHERE n % 3 <> 0", Kinesis: &gateway.RuleKinesis{Stream: "out"},
		Republish: &gateway.RuleRepublish{Topic: "seen/${topic(2)}"}, Errors: "bad",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for round := range 4 {
		client := fmt.Sprint("press", round)
		lines := []string{fmt.Sprintf(`{"n": "none of round %d"`, round)}
		for n := range 400 {
			lines = append(lines, fmt.Sprintf(`{"round":%d,"n":%d}`, round, n))
			if n%3 != 0 {
				want[fmt.Sprintf(`{"round":%d,"n":%d,"press":"%d"}`, round, n, round)] = 1
			}
		}
		mosquitto(t, p.MQTT, client, fmt.Sprint("n/", round), lines...)
		if round == 1 || round == 2 {
			for _, s := range []string{"telemetry", "out"} {
				if _, err := admin.SplitShard(t.Context(), s, fmt.Sprint(round-1)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if round < 3 {
			p.kill()
			p = serve(t, data)
		}
	}
	settledRule(t, admin, "thirds")
	seen := readAll(t, p.client(id, secret), "out")
	for text := range want {
		if seen[text] != 1 {
			t.Errorf("%s is there %d times", text, seen[text])
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d different records, want %d", len(seen), len(want))
	}
	if bad := readAll(t, p.client(id, secret), "bad"); len(bad) != 4 {
		t.Errorf("%d error records, want 4: %v", len(bad), bad)
	}
	published := 0
	for text, times := range readAll(t, p.client(id, secret), "telemetry") {
		if strings.Contains(text, `"press"`) {
			published += times
		}
	}
	if published != len(want) {
		t.Errorf("%d messages were published again, want %d", published, len(want))
	}
}

// TestRulesBesideSubscribers: what a rule publishes comes to subscribers, what
// is published to a rule by Basic Ingest does not.
func TestRulesBesideSubscribers(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) {
		c.Open = true
		c.Routes = []gateway.RouteConfig{{Topic: "floor/#", Stream: "floors"}}
	})
	admin := gateway.Dial(filepath.Dir(g.Addresses().Socket))
	if _, err := admin.CreateStream(t.Context(), "out", gateway.StreamSpec{Shards: 1}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []gateway.Rule{
		{Name: "Lights", SQL: "SELECT topic(2) AS floor, clientid() AS by", Kinesis: &gateway.RuleKinesis{Stream: "out"}},
		{Name: "siren", SQL: "SELECT 'on' AS siren FROM 'site/+/smoke'", Republish: &gateway.RuleRepublish{Topic: "cmd/${topic(2)}", QoS: 1}},
	} {
		if _, err := admin.CreateRule(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	heard := make(chan string, 16)
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + g.Addresses().MQTT).SetClientID("listener"))
	if token := c.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer c.Disconnect(100)
	if token := c.Subscribe("#", 1, func(_ paho.Client, m paho.Message) { heard <- m.Topic() + " " + string(m.Payload()) }); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	mosquitto(t, g.Addresses().MQTT, "lamp", "$aws/rules/Lights/floor/2", "{}")
	mosquitto(t, g.Addresses().MQTT, "nose", "site/7/smoke", "{}")
	for _, want := range []string{"site/7/smoke {}", `cmd/7 {"siren":"on"}`} {
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("heard %s, want %s", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s was not heard", want)
		}
	}
	settledRule(t, admin, "Lights")
	if seen := readAll(t, client(g, "any", "thing"), "out"); len(seen) != 1 || seen[`{"floor":"2","by":"lamp"}`] != 1 {
		t.Errorf("out holds %v", seen)
	}
	if seen := readAll(t, client(g, "any", "thing"), "floors"); len(seen) != 1 {
		t.Errorf("the stream of floor/2 holds %v", seen)
	}
	text := metricsOf(t, g)
	for _, want := range []string{`headgate_rule_running{rule="siren"} 1`, `headgate_rule_passed_total{action="kinesis",rule="Lights"} 1`, `headgate_rule_lag_records{action="republish",rule="siren"} 0`} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if err := admin.DeleteRule(t.Context(), "siren"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Rule(t.Context(), "siren"); err == nil || shardlog.KindOf(err) != shardlog.NotFound {
		t.Error(err)
	}
}
