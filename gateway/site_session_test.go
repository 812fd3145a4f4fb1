package gateway_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// TestASessionMovesToAnotherGateway: a device subscribes at one gateway, which
// is killed; what was published meanwhile at another it gets from the third,
// and so again and again, each command at least once and in order.
func TestASessionMovesToAnotherGateway(t *testing.T) {
	s := grown(t, 3, "--open")
	var mu sync.Mutex
	var got []string
	device := func(b *box) (paho.Client, bool) {
		t.Helper()
		o := paho.NewClientOptions().AddBroker("tcp://" + b.MQTT).SetClientID("press-7").SetCleanSession(false).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second)
		o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, string(m.Payload()))
		})
		c := paho.NewClient(o)
		token := c.Connect().(*paho.ConnectToken)
		if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
		return c, token.SessionPresent()
	}
	command := func(b *box, text string) {
		t.Helper()
		c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + b.MQTT).SetClientID("office"))
		if token := c.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
		defer c.Disconnect(100)
		if token := c.Publish("cmd/press-7/do", 1, false, text); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	c, present := device(s.all[0])
	if present {
		t.Error("a new session is said to be an old one")
	}
	if token := c.Subscribe("cmd/press-7/#", 1, nil); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	heard := func(n int) {
		t.Helper()
		until(t, 20*time.Second, "the device has its commands", func() (string, bool) {
			mu.Lock()
			defer mu.Unlock()
			return fmt.Sprint(got), len(got) > 0 && got[len(got)-1] == fmt.Sprint(n)
		})
	}
	command(s.all[1], "0")
	heard(0)
	for round := range 3 {
		at, other, next := s.all[round%3], s.all[(round+1)%3], s.all[(round+2)%3]
		at.kill()
		at.down = true
		command(other, fmt.Sprint(2*round+1))
		c.Disconnect(0)
		if c, present = device(next); !present {
			t.Error("the session is not known at the next gateway")
		}
		heard(2*round + 1)
		command(other, fmt.Sprint(2*round+2))
		heard(2*round + 2)
		c.Disconnect(100)
		at.start()
		c, _ = device(s.all[(round+1)%3])
	}
	c.Disconnect(100)
	mu.Lock()
	defer mu.Unlock()
	last := -1
	for _, text := range got {
		n := 0
		fmt.Sscan(text, &n)
		if n > last+1 {
			t.Errorf("%d came after %d: %v", n, last, got)
		}
		last = max(last, n)
	}
}
