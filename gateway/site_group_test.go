package gateway_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// TestAGroupAtThreeGateways: members of a shared subscription at each gateway
// share what is published, each message to one of them, and those of two go on
// with all of it when the third gateway is killed.
func TestAGroupAtThreeGateways(t *testing.T) {
	s := grown(t, 3, "--open")
	connect := func(b *box, id string) paho.Client {
		t.Helper()
		c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + b.MQTT).SetClientID(id).SetCleanSession(false).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second).SetWriteTimeout(10 * time.Second))
		if token := c.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
		return c
	}
	var mu sync.Mutex
	got, by := map[string]int{}, map[int]int{}
	for i, b := range s.all {
		token := connect(b, fmt.Sprint("member-", i)).Subscribe("$share/workers/plant/#", 1, func(_ paho.Client, m paho.Message) {
			mu.Lock()
			defer mu.Unlock()
			got[string(m.Payload())]++
			by[i]++
		})
		if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	var devices []paho.Client // their keys lie in all shards; none is at the gateway that will be killed
	for i := range 24 {
		devices = append(devices, connect(s.all[i%2], fmt.Sprint("device-", i)))
	}
	sent := 0
	publish := func(n int) {
		t.Helper()
		var tokens []paho.Token
		for range n {
			tokens = append(tokens, devices[sent%len(devices)].Publish("plant/temp", 1, false, fmt.Sprint(sent)))
			sent++
		}
		for _, token := range tokens {
			if !token.WaitTimeout(60*time.Second) || token.Error() != nil {
				t.Fatal(token.Error())
			}
		}
	}
	all := func(within time.Duration) {
		t.Helper()
		until(t, within, "members have all that was published", func() (string, bool) {
			mu.Lock()
			defer mu.Unlock()
			return fmt.Sprintf("%d of %d, by member %v", len(got), sent, by), len(got) == sent
		})
	}
	until(t, 60*time.Second, "each gateway has a part", func() (string, bool) {
		publish(24)
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprint(by), by[0] > 0 && by[1] > 0 && by[2] > 0
	})
	publish(300)
	all(20 * time.Second)
	mu.Lock()
	for text, n := range got {
		if n > 1 {
			t.Errorf("message %s came %d times though nothing failed", text, n)
		}
	}
	mu.Unlock()

	publish(100)
	s.all[2].kill()
	killed := time.Now()
	publish(200)
	all(90 * time.Second)
	twice := 0
	for _, n := range got {
		if n > 1 {
			twice++
		}
	}
	t.Logf("members have all %v after the kill, %d of %d twice, by member %v", time.Since(killed), twice, sent, by)
}
