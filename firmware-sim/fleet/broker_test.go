package fleet_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"headgate/firmware-sim/fleet"
	"headgate/firmware-sim/mosquitto"
)

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// broker is a Mosquitto whose messages a checker reads.
type broker struct{ *mosquitto.Broker }

func startBroker(t testing.TB) broker {
	t.Helper()
	return broker{mosquitto.Start(t)}
}

// subscribe feeds everything that devices publish to a checker.
func (b broker) subscribe(t testing.TB) *reader {
	t.Helper()
	r := &reader{}
	o := mqtt.NewClientOptions().AddBroker("tcp://" + b.Addr).SetClientID("reader").SetAutoReconnect(false)
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.payloads = append(r.payloads, m.Payload())
	})
	client := mqtt.NewClient(o)
	if token := client.Connect(); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	if token := client.Subscribe("d/#", 2, nil); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { client.Disconnect(10) })
	return r
}

type reader struct {
	mu       sync.Mutex
	payloads [][]byte
}

func (r *reader) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.payloads)
}

// check checks what was read so far, without holding up what comes in.
func (r *reader) check(acked *fleet.Acked) fleet.Report {
	r.mu.Lock()
	payloads := r.payloads[:len(r.payloads):len(r.payloads)]
	r.mu.Unlock()
	checker := fleet.NewChecker(acked)
	for _, p := range payloads {
		checker.Add("", p, time.Time{})
	}
	return checker.Report()
}

// all waits until everything acknowledged was read, and checks it.
func (r *reader) all(t testing.TB, acked *fleet.Acked) fleet.Report {
	t.Helper()
	var report fleet.Report
	eventually(t, "all that was acknowledged is read", func() bool {
		if uint64(r.len()) > report.Records {
			report = r.check(acked)
		}
		return report.Missing == 0 && report.Records > 0
	})
	return report
}

// proxy stands between devices and a broker and breaks connections.
type proxy struct {
	net.Listener
	all sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func startProxy(t testing.TB, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: listener}
	p.all.Go(func() {
		for {
			down, err := p.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", to)
			if err != nil {
				down.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, down, up)
			p.mu.Unlock()
			for _, way := range [][2]net.Conn{{up, down}, {down, up}} {
				p.all.Go(func() {
					io.Copy(way[0], way[1])
					way[0].Close()
					way[1].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.breakAll()
		p.all.Wait()
	})
	return p
}

// breakAll resets every connection, whatever is on its way.
func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
	p.conns = p.conns[:0]
}

// running is a fleet whose Run is under way.
type running struct {
	*fleet.Fleet
	cancel context.CancelFunc
	done   chan error
}

func start(t testing.TB, conf fleet.Config) *running {
	t.Helper()
	f, err := fleet.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Fleet: f, cancel: cancel, done: make(chan error, 1)}
	var run sync.WaitGroup
	run.Go(func() { r.done <- f.Run(ctx) })
	t.Cleanup(func() { cancel(); run.Wait() })
	return r
}

func (r *running) wait(t testing.TB) fleet.Totals {
	t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("the fleet is not through: %+v", r.Totals())
	}
	return r.Totals()
}
