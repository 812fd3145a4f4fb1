package gateway_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/firehose/sinktest"
	"headgate/gateway"
)

// bridged is how many messages cross a bridge in these tests, of how many topics.
const bridged, bridgedTopics = 20_000, 20

// byTopic is the configuration of a gateway that a bridge publishes to: all
// comes from one client, so the topic parts it over the shards.
const byTopic = "routes:\n  - {topic: \"#\", stream: telemetry, key: \"{topic}\"}\nstreams:\n  - {name: telemetry, shards: 4}\n"

// publishMany publishes the messages "TOPIC N" at QoS 1 and waits for all answers.
func publishMany(t *testing.T, broker string) {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("source").SetConnectRetry(true).SetConnectRetryInterval(100 * time.Millisecond))
	if token := c.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatal("connect", token.Error())
	}
	defer c.Disconnect(100)
	var tokens []paho.Token
	for n := range bridged {
		topic := fmt.Sprint("plant/line/", n%bridgedTopics)
		tokens = append(tokens, c.Publish(topic, 1, false, fmt.Sprint(topic, " ", n)))
	}
	for _, token := range tokens {
		if !token.WaitTimeout(60*time.Second) || token.Error() != nil {
			t.Fatal("publish", token.Error())
		}
	}
}

// allCrossed reads the stream until every message has been seen, and checks the
// order of each topic. What came twice is allowed, and counted.
func allCrossed(t *testing.T, k *kinesis.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String("telemetry")})
	if err != nil {
		t.Fatal(err)
	}
	var at []*string
	for _, s := range shards.Shards {
		it, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String("telemetry"), ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, it.ShardIterator)
	}
	seen, latest, doubled := map[string]bool{}, map[string]int{}, 0
	for len(seen) < bridged {
		for i := range at {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at[i]})
			if err != nil {
				t.Fatalf("%d of %d arrived: %v", len(seen), bridged, err)
			}
			at[i] = out.NextShardIterator
			for _, r := range out.Records {
				text := string(r.Data)
				if seen[text] {
					doubled++
					continue
				}
				seen[text] = true
				topic, number, _ := strings.Cut(text, " ")
				var n int
				if _, err := fmt.Sscan(number, &n); err != nil {
					t.Fatal(text, err)
				}
				if was, ok := latest[topic]; ok && n != was+bridgedTopics || !ok && n >= bridgedTopics {
					t.Fatalf("%s: %d after %d", topic, n, was)
				}
				latest[topic] = n
			}
		}
		rest(ctx)
	}
	t.Logf("%d arrived, %d of them twice or more", len(seen), doubled)
}

// runMosquitto runs a mosquitto with this configuration until the test ends.
func runMosquitto(t *testing.T, lines ...string) (address string) {
	t.Helper()
	program := "/usr/sbin/mosquitto"
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	address = sinktest.FreeAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	config := filepath.Join(folder, "conf")
	text := fmt.Sprintf("user root\nlistener %s %s\nallow_anonymous true\npersistence true\npersistence_location %s/\n%s\n", port, host, folder, strings.Join(lines, "\n"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	return address
}

// serveBridged serves at an address that is known before, by topic.
func serveBridged(t *testing.T, data, address string) *process {
	t.Helper()
	config := filepath.Join(data, "bridged.yaml")
	if err := os.WriteFile(config, []byte(byTopic), 0o600); err != nil {
		t.Fatal(err)
	}
	return serve(t, data, "--open", "--config", config, "--mqtt", address)
}

// killMidway kills a gateway once a part of the messages is stored.
func (p *process) killMidway(t *testing.T) {
	t.Helper()
	k := p.client("any", "thing")
	until(t, 60*time.Second, "some messages are stored", func() (string, bool) {
		n := len(readAll(t, k, "telemetry"))
		return fmt.Sprint(n), n > bridged/20
	})
	n := len(readAll(t, k, "telemetry"))
	p.kill()
	if n >= bridged {
		t.Errorf("the gateway was killed after all was there")
	}
	t.Logf("killed after %d messages", n)
}

// TestAMosquittoBridgesToUs: what a neighbour has queued while the gateway was
// away comes without loss, in order, though the gateway dies on the way.
func TestAMosquittoBridgesToUs(t *testing.T) {
	for _, version := range []string{"mqttv311", "mqttv50"} {
		t.Run(version, func(t *testing.T) {
			gate, data := sinktest.FreeAddress(t), t.TempDir()
			publishMany(t, runMosquitto(t, "max_queued_messages 0", "connection headgate", "address "+gate, "topic # out 1", "cleansession false",
				"remote_clientid neighbour", "bridge_protocol_version "+version, "restart_timeout 1", "notifications false"))
			serveBridged(t, data, gate).killMidway(t)
			allCrossed(t, serveBridged(t, data, gate).client("any", "thing"))
		})
	}
}

// TestWeBridgeToAnotherGateway: a delivery carries messages on to a gateway
// that is killed on the way.
func TestWeBridgeToAnotherGateway(t *testing.T) {
	upstream, above, data := sinktest.FreeAddress(t), t.TempDir(), t.TempDir()
	g, _ := start(t, data, func(c *gateway.Config) {
		c.Open, c.Routes = true, []gateway.RouteConfig{{Topic: "#", Stream: "telemetry", Key: "{topic}"}}
		c.Streams = []gateway.StreamConfig{{Name: "telemetry", Shards: 4}}
	})
	c := gateway.Dial(data)
	if _, err := c.CreateDelivery(t.Context(), "name: up\nstream: telemetry\ninterval: 1s\nmqtt: {broker: \"mqtt://"+upstream+"\", client_id: north, topic: \"{topic}\"}\n"); err != nil {
		t.Fatal(err)
	}
	publishMany(t, g.Addresses().MQTT)
	serveBridged(t, above, upstream).killMidway(t)
	allCrossed(t, serveBridged(t, above, upstream).client("any", "thing"))
	until(t, 30*time.Second, "all is delivered", func() (string, bool) {
		d, err := c.Delivery(t.Context(), "up")
		return fmt.Sprintf("%+v %v", d.DeliveryStatus, err), err == nil && d.Records == bridged && d.Refused == 0
	})
}
