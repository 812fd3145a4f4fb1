package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway"
)

// start runs a gateway on free ports until the test ends or stop is called.
func start(t *testing.T, data string, change func(*gateway.Config)) (g *gateway.Gateway, stop func()) {
	t.Helper()
	c := gateway.Defaults()
	c.Data, c.API, c.MQTT, c.Console, c.Log.Level = data, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "warn"
	if change != nil {
		change(&c)
	}
	g, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-g.Ready():
	case err := <-done:
		ended = true
		t.Fatalf("run: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("not ready")
	}
	return g, stop
}

// metricsOf is what /metrics answers.
func metricsOf(t *testing.T, g *gateway.Gateway) string {
	t.Helper()
	answer, err := http.Get("http://" + g.Addresses().Console + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %.500s", answer.Status, err, text)
	}
	return string(text)
}

func client(g *gateway.Gateway, id, secret string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String("http://" + g.Addresses().API), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// read reads a stream from its beginning until it has seen want records.
func read(t *testing.T, k *kinesis.Client, stream string, want int) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream})
	if err != nil {
		t.Fatal(err)
	}
	seen, total := map[string]int{}, 0
	var at []*string
	for _, s := range shards.Shards {
		it, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, it.ShardIterator)
	}
	for total < want {
		for i := range at {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at[i]})
			if err != nil {
				t.Fatalf("%d of %d records: %v", total, want, err)
			}
			at[i] = out.NextShardIterator
			for _, r := range out.Records {
				seen[string(r.Data)]++
				total++
			}
		}
	}
	return seen
}

func TestARecordsWholeWay(t *testing.T) {
	data := t.TempDir()
	g, stop := start(t, data, nil)
	key := g.FirstKey()
	if key == nil {
		t.Fatal("no key at the first start")
	}
	options := mqtt.NewClientOptions().AddBroker("tcp://" + g.Addresses().MQTT).SetClientID("device-1")
	device := mqtt.NewClient(options)
	if token := device.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal("connect", token.Error())
	}
	const n = 200
	var tokens []mqtt.Token
	for i := range n {
		tokens = append(tokens, device.Publish("plant/line/1", byte(1+i%2), false, fmt.Sprintf(`{"n":%d}`, i)))
	}
	for i, token := range tokens {
		if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatalf("publish %d: %v", i, token.Error())
		}
	}
	device.Disconnect(100)
	check := func(g *gateway.Gateway, id, secret string) {
		t.Helper()
		seen := read(t, client(g, id, secret), "telemetry", n)
		for i := range n {
			if c := seen[fmt.Sprintf(`{"n":%d}`, i)]; c != 1 {
				t.Fatalf("record %d was read %d times", i, c)
			}
		}
	}
	check(g, key.ID, key.Secret)
	stop()
	g, _ = start(t, data, nil)
	if g.FirstKey() != nil {
		t.Fatal("a second start made another key")
	}
	check(g, key.ID, key.Secret)
}

func TestVitals(t *testing.T) {
	g, _ := start(t, t.TempDir(), nil)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		resp, err := http.Get("http://" + g.Addresses().Console + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
		resp.Body.Close()
	}
	s := g.Status()
	if !s.Health.Ready || !slices.ContainsFunc(s.Streams, func(s gateway.StreamStatus) bool { return s.Name == "telemetry" }) {
		t.Errorf("status %+v", s)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
}

func TestADeliveryWritesItsFolder(t *testing.T) {
	data, folder := t.TempDir(), t.TempDir()
	g, stop := start(t, data, func(c *gateway.Config) {
		c.Open = true
		c.Deliveries = []gateway.DeliveryConfig{{Name: "out", Stream: "telemetry", Interval: new(gateway.Duration(time.Second)), Local: &gateway.LocalConfig{Folder: folder}}}
	})
	k := client(g, "any", "thing")
	for i := range 20 {
		_, err := k.PutRecord(context.Background(), &kinesis.PutRecordInput{StreamName: aws.String("telemetry"), PartitionKey: aws.String(fmt.Sprint(i)), Data: fmt.Appendf(nil, "r%d", i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		d := g.Status().Deliveries[0]
		if d.Records == 20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not delivered: %+v", d)
		}
		<-tick.C
	}
	stop()
	objects, err := filepath.Glob(filepath.Join(folder, "*", "*", "*", "*", "out-1-*.gz"))
	if err != nil || len(objects) == 0 {
		t.Fatalf("objects %v, %v", objects, err)
	}
}
