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
	"syscall"
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
	config                  string
	cmd                     *exec.Cmd

	mu    sync.Mutex
	found []string // guarded by mu
}

func open(t *testing.T, lines ...string) *broker { return start(t, "right", lines...) }

// start runs a mosquitto whose configuration has these lines, too.
func start(t *testing.T, password string, lines ...string) *broker {
	t.Helper()
	b := &broker{address: sinktest.FreeAddress(t), user: "gate", password: password}
	folder := t.TempDir()
	users := write(t, folder, "users", "")
	if _, err := exec.LookPath("mosquitto"); err == nil {
		if out, err := exec.Command("mosquitto_passwd", "-b", users, b.user, b.password).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	host, port, _ := net.SplitHostPort(b.address)
	b.config = write(t, folder, "conf", fmt.Sprintf("per_listener_settings false\nlistener %s %s\npassword_file %s\nuser root\nmax_queued_messages 0\npersistence true\npersistence_location %s/\n%s\n",
		port, host, users, folder, strings.Join(lines, "\n")))
	b.run(t)
	t.Cleanup(b.kill)
	b.subscribe(t)
	return b
}

func (b *broker) run(t *testing.T) {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	b.cmd = exec.Command(program, "-c", b.config)
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the broker as a power cut would, end as an operator does.
func (b *broker) kill() { _ = b.cmd.Process.Kill(); _ = b.cmd.Wait() }
func (b *broker) end()  { _ = b.cmd.Process.Signal(syscall.SIGTERM); _ = b.cmd.Wait() }

func write(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// subscribe listens for all messages; it tries until the broker is there.
func (b *broker) subscribe(t *testing.T) {
	t.Helper()
	o := paho.NewClientOptions().AddBroker("mqtt://" + b.address).SetClientID("reader").SetUsername(b.user).SetPassword(b.password)
	o.SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond).SetMaxReconnectInterval(100 * time.Millisecond).SetCleanSession(false)
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
		if err := json.Unmarshal(m.Payload(), &d); err != nil || !strings.HasPrefix(m.Topic(), "s/device-") && !strings.HasPrefix(m.Topic(), "hq/north/") {
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
	return sink(t, b.to())
}

// to is a sink's configuration.
func (b *broker) to() mqtt.Config {
	return mqtt.Config{Brokers: []string{"mqtt://" + b.address}, ClientID: fmt.Sprint("site", time.Now().UnixNano()), User: b.user, Password: b.password, QoS: 1}
}

func sink(t *testing.T, c mqtt.Config) *mqtt.Sink {
	t.Helper()
	s, err := mqtt.Open(c)
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

// wait waits until so many messages have arrived.
func (b *broker) wait(t *testing.T, n int) {
	t.Helper()
	tick, end := time.NewTicker(10*time.Millisecond), time.After(60*time.Second)
	defer tick.Stop()
	for {
		b.mu.Lock()
		have := len(b.found)
		b.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%d of %d messages arrived", have, n)
		}
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
	for qos := range byte(3) {
		t.Run(fmt.Sprint("QoS ", qos), func(t *testing.T) {
			sinktest.RunRecords(t, encoder(t), sinktest.Guarantee{}, func(t *testing.T) sinktest.Desk { return swap(open(t), qos) })
		})
	}
}

// swapped is a broker in front of which another one can stand that knows
// nobody: its sinks speak to whoever stands there.
type swapped struct {
	*broker
	qos    byte
	mu     sync.Mutex
	target string // guarded by mu
}

func swap(b *broker, qos byte) *swapped { return &swapped{broker: b, qos: qos, target: b.address} }

func (s *swapped) Sink(t *testing.T) firehose.Sink {
	t.Helper()
	c := s.to()
	c.Brokers, c.QoS = []string{"mqtt://broker.invalid"}, s.qos
	c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, s.target)
	}
	return sink(t, c)
}

func (s *swapped) Break(t *testing.T) (mend func()) {
	other := start(t, "another")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = other.address
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.target = s.address
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
