package mqtt_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
)

// ledger is what one device sent and saw acknowledged.
type ledger struct {
	id          string
	sent, acked int // message numbers below these
}

// session sends messages in order from the first unacknowledged on, up to
// until, and ends by cutting the connection when cut says so.
func (l *ledger) session(r *rig, until, cut int) error {
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	c := &raw{t: quietly{}, Conn: conn, in: newReader(conn), version: 4}
	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect},
		Connect: packets.ConnectParams{ProtocolName: []byte("MQTT"), ClientIdentifier: l.id, Keepalive: 60}})
	if pk, err := c.receive(); err != nil || pk.ReasonCode != 0 {
		return fmt.Errorf("connect %s: code %d, %w", l.id, pk.ReasonCode, err)
	}
	for n := l.acked; n < until; n++ {
		pk := publish(uint16(n+1), 1, "storm/"+l.id, fmt.Sprint("m", n))
		pk.FixedHeader.Dup = n < l.sent
		c.send(pk)
		l.sent = max(l.sent, n+1)
	}
	for l.acked < until {
		if cut--; cut == 0 {
			return nil
		}
		pk, err := c.receive()
		if err != nil || pk.FixedHeader.Type != packets.Puback || pk.PacketID != uint16(l.acked+1) {
			return fmt.Errorf("%s: type %d for %d, want %d: %w", l.id, pk.FixedHeader.Type, pk.PacketID, l.acked+1, err)
		}
		l.acked++
	}
	return nil
}

// quietly is a testing.TB for goroutines that report by error.
type quietly struct{ testing.TB }

func (quietly) Helper()             {}
func (quietly) Logf(string, ...any) {}
func (quietly) Fatalf(f string, a ...any) {
	panic(fmt.Sprintf(f, a...))
}

// check compares what is stored with what was acknowledged: nothing is
// missing, and first copies are in order.
func (l *ledger) check(t *testing.T, byKey map[string][]string) {
	t.Helper()
	next, seen := 0, map[string]bool{}
	for _, text := range byKey[l.id] {
		if seen[text] {
			continue
		}
		seen[text] = true
		if text != fmt.Sprint("m", next) {
			t.Fatalf("%s: %q where m%d is due", l.id, text, next)
		}
		next++
	}
	if next < l.acked {
		t.Fatalf("%s: %d stored, %d acknowledged", l.id, next, l.acked)
	}
}

func TestReconnectStorm(t *testing.T) {
	clients, rounds := 1000, 3
	if testing.Short() {
		clients = 100
	}
	r := start(t, func(r *rig, c *mqtt.Config) { c.Writer = slow{Writer: r.log, each: 5 * time.Millisecond} })
	ledgers := make([]ledger, clients)
	for round := range rounds {
		var all sync.WaitGroup
		errs := make(chan error, clients)
		for i := range ledgers {
			l := &ledgers[i]
			l.id = fmt.Sprint("dev", i)
			all.Go(func() {
				cut := 0
				if round < rounds-1 {
					cut = 1 + rand.IntN(10) // dies in the middle
				}
				if err := l.session(r, 10*(round+1), cut); err != nil {
					errs <- err
				}
			})
		}
		all.Wait()
		close(errs)
		for err := range errs {
			t.Fatal(err)
		}
	}
	byKey := map[string][]string{}
	for _, rec := range r.records(t, "telemetry") {
		byKey[rec.Key] = append(byKey[rec.Key], string(rec.Data))
	}
	for i := range ledgers {
		if ledgers[i].acked != 10*rounds {
			t.Fatalf("%s: %d acknowledged", ledgers[i].id, ledgers[i].acked)
		}
		ledgers[i].check(t, byKey)
	}
	eventually(t, "all are gone", func() bool { s := r.Stats(); return s.Connections == 0 && s.Pending == 0 })
}

func TestSameClientIDTakesOver(t *testing.T) {
	r := start(t, nil)
	first, _ := r.login(t, 5, "dev", nil)
	second, _ := r.login(t, 5, "dev", nil)
	if code := first.wantEnd(); code != packets.ErrSessionTakenOver.Code {
		t.Errorf("disconnect %#x", code)
	}
	second.send(publish(1, 1, "a", "x"))
	second.want(packets.Puback, 1, 0)
	eventually(t, "one is left", func() bool { return r.Stats().Connections == 1 })
}

func TestIDInUseIsANewMessage(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "dev", nil)
	hold := r.log.Hold()
	c.send(publish(1, 1, "a", "m0"), publish(1, 1, "a", "m1"), publish(1, 1, "a", "m2"))
	c.silent()
	hold.Release()
	for range 3 {
		c.want(packets.Puback, 1, 0)
	}
	sameOrder(t, r.texts(t, "telemetry"), "m", 3)
}

func TestDeviceThatDoesNotRead(t *testing.T) {
	r := start(t, func(_ *rig, c *mqtt.Config) { c.WriteTimeout = 300 * time.Millisecond })
	c, _ := r.login(t, 4, "dev", func(pk *packets.Packet) { pk.Connect.Keepalive = 0 })
	other, _ := r.login(t, 4, "other", nil)
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	c.send(subscribe(1, 1, "big"))
	c.want(packets.Suback, 1, 0)
	big := string(make([]byte, 500_000))
	for i := range 40 { // more than the kernel keeps for a socket
		other.send(publish(uint16(i+1), 1, "big", big))
		other.want(packets.Puback, uint16(i+1), 0)
	}
	eventually(t, "it is disconnected", func() bool { return r.Stats().Connections == 1 })
}
