package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/mqtt"
	"headgate/firehose/sinktest"
)

// broker is a running mosquitto with one user, and a subscriber of everything.
type broker struct {
	address, user, password string

	mu    sync.Mutex
	found []string // guarded by mu
}

func open(t *testing.T) *broker { return start(t, "right") }

func start(t *testing.T, password string) *broker {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	b := &broker{address: sinktest.FreeAddress(t), user: "gate", password: password}
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := write("users", "")
	if out, err := exec.Command("mosquitto_passwd", "-b", users, b.user, b.password).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	host, port, _ := net.SplitHostPort(b.address)
	config := write("conf", fmt.Sprintf("listener %s %s\npassword_file %s\nuser root\nmax_queued_messages 0\nmax_inflight_messages 0\n", port, host, users))
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "-c", config)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = command.Wait() })
	b.subscribe(t)
	return b
}

// subscribe listens for all messages; it tries until the broker is there.
func (b *broker) subscribe(t *testing.T) {
	t.Helper()
	o := paho.NewClientOptions().AddBroker("mqtt://" + b.address).SetClientID("reader").SetUsername(b.user).SetPassword(b.password)
	o.SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond)
	client := paho.NewClient(o)
	if token := client.Connect(); !token.WaitTimeout(30*time.Second) || token.Error() != nil {
		t.Fatal("connect", token.Error())
	}
	t.Cleanup(func() { client.Disconnect(0) })
	token := client.Subscribe("#", 1, func(_ paho.Client, m paho.Message) {
		var d struct {
			Batch string
			N     int
		}
		if err := json.Unmarshal(m.Payload(), &d); err != nil || !strings.HasPrefix(m.Topic(), "s/device-") {
			t.Errorf("%s %s: %v", m.Topic(), m.Payload(), err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.found = append(b.found, fmt.Sprintf("%s/%d", d.Batch, d.N))
	})
	if !token.WaitTimeout(30*time.Second) || token.Error() != nil {
		t.Fatal("subscribe", token.Error())
	}
}

func (b *broker) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	s, err := mqtt.Open(mqtt.Config{Broker: "mqtt://" + b.address, ClientID: "site-" + t.Name() + fmt.Sprint(time.Now().UnixNano()), User: b.user, Password: b.password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Documents waits until nothing more arrives.
func (b *broker) Documents(t *testing.T) []string {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for was := -1; ; {
		<-tick.C
		b.mu.Lock()
		found := append([]string(nil), b.found...)
		b.mu.Unlock()
		if len(found) == was {
			return found
		}
		was = len(found)
	}
}

func encoder(t *testing.T) firehose.Encoder {
	t.Helper()
	e, err := encode.New(firehose.Format{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{}, func(t *testing.T) sinktest.Desk { return &swapped{broker: open(t)} })
}

// swapped is a broker in front of which another one can stand that knows
// nobody: its sinks speak to whoever stands there.
type swapped struct {
	*broker
	mu     sync.Mutex
	target string // guarded by mu
}

func (s *swapped) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	sink, err := mqtt.Open(mqtt.Config{Broker: "mqtt://broker.invalid:1883", ClientID: fmt.Sprint("site", time.Now().UnixNano()), User: s.user, Password: s.password,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.target == "" {
				return (&net.Dialer{}).DialContext(ctx, network, s.address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, s.target)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	return sink
}

func (s *swapped) Break(t *testing.T) (mend func()) {
	other := start(t, "another")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = other.address
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.target = ""
	}
}

func TestAWrongPasswordIsAnAuthError(t *testing.T) {
	b := open(t)
	b.password = "wrong"
	if r := b.Sink(t).Probe(t.Context()); r.Class != firehose.Auth {
		t.Errorf("%s: %v", r.Class, r.Err)
	}
}

// A batch whose broker has hung up comes again on a new connection.
func TestAConnectionThatWasLostIsMadeAnew(t *testing.T) {
	b := open(t)
	s := b.Sink(t)
	for i := range 3 {
		if r := s.Deliver(t.Context(), sinktest.Documents(encoder(t), fmt.Sprint("b", i), 5, 100)); !r.Done() {
			t.Fatalf("%s: %v", r.Class, r.Err)
		}
	}
	if n := len(b.Documents(t)); n != 15 {
		t.Errorf("%d messages arrived", n)
	}
}

func TestAKeyThatMakesNoTopic(t *testing.T) {
	b := open(t)
	batch := sinktest.Documents(encoder(t), "x", 3, 50)
	all := batch.Records
	batch.Records = func(ctx context.Context) iter.Seq2[firehose.Record, error] {
		return func(yield func(firehose.Record, error) bool) {
			for r, err := range all(ctx) {
				if r.Seq == 2 {
					r.Key = "a/#"
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
	r := b.Sink(t).Deliver(t.Context(), sinktest.Sealed(batch))
	if r.Class != firehose.Poison || len(r.Items) != 1 || r.Items[0].Seq != 2 {
		t.Errorf("%s %v: %v", r.Class, r.Items, r.Err)
	}
}
