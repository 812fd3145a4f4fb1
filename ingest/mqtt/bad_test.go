package mqtt_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"headgate/ingest/mqtt"
)

// samples are one good packet of each type that a client sends, encoded.
func samples(t testing.TB, version byte) map[string][]byte {
	t.Helper()
	rich := publish(7, 2, "a/b", "payload")
	rich.FixedHeader.Retain = true
	rich.Properties = packets.Properties{MessageExpiryInterval: 60, ContentType: "text/plain", ResponseTopic: "r", CorrelationData: []byte("c"),
		PayloadFormat: 1, PayloadFormatFlag: true, User: []packets.UserProperty{{Key: "k", Val: "v"}}, TopicAlias: 3, TopicAliasFlag: true}
	all := map[string]packets.Packet{
		"PUBLISH 0": publish(0, 0, "a/b", "payload"), "PUBLISH 1": publish(6, 1, "a/b", "payload"), "PUBLISH 2": rich,
		"PUBREL": pubrel(7), "SUBSCRIBE": subscribe(8, 1, "a/+/c"),
		"UNSUBSCRIBE": {FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 9, Filters: packets.Subscriptions{{Filter: "a/+/c"}}},
		"PUBACK":      {FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: 10},
		"PUBREC":      {FixedHeader: packets.FixedHeader{Type: packets.Pubrec}, PacketID: 11},
		"PUBCOMP":     {FixedHeader: packets.FixedHeader{Type: packets.Pubcomp}, PacketID: 12},
		"DISCONNECT":  {FixedHeader: packets.FixedHeader{Type: packets.Disconnect}},
		"CONNECT": {FixedHeader: packets.FixedHeader{Type: packets.Connect}, Properties: packets.Properties{SessionExpiryInterval: 60, SessionExpiryIntervalFlag: true, ReceiveMaximum: 5},
			Connect: packets.ConnectParams{ProtocolName: []byte("MQTT"), ClientIdentifier: "mutant", Clean: true, Keepalive: 60, WillFlag: true, WillTopic: "w", WillPayload: []byte("x"),
				UsernameFlag: true, Username: []byte("u"), PasswordFlag: true, Password: []byte("p")}},
	}
	encoded := map[string][]byte{"PINGREQ": {0xc0, 0x00}, "AUTH": {0xf0, 0x02, 0x18, 0x00}}
	for name, pk := range all {
		var b bytes.Buffer
		c := &raw{t: t, Conn: into{w: &b}, version: version}
		c.send(pk)
		encoded[name] = b.Bytes()
	}
	return encoded
}

// into is a connection that only takes what is written.
type into struct {
	net.Conn
	w io.Writer
}

func (i into) Write(b []byte) (int, error) { return i.w.Write(b) }

// mutate changes a few bytes: a flip, a cut, a copy, or a length that lies.
func mutate(random *rand.Rand, good []byte) []byte {
	b := bytes.Clone(good)
	for range 1 + random.IntN(3) {
		at := random.IntN(len(b))
		switch random.IntN(5) {
		case 0:
			b[at] ^= 1 << random.IntN(8)
		case 1:
			b[at] = byte(random.Uint32())
		case 2:
			b = b[:max(1, at)]
		case 3:
			b = append(b[:at:at], append([]byte{byte(random.Uint32())}, b[at:]...)...)
		case 4:
			b[min(1, len(b)-1)] = byte(random.IntN(2 * len(b)))
		}
	}
	return b
}

// TestMutants sends mutations of every packet type to a running broker: nothing
// dies, a bystander is served, memory stays. HEADGATE_SEED repeats a run,
// HEADGATE_MUTANTS says how many for each type.
func TestMutants(t *testing.T) {
	seed, each := uint64(time.Now().UnixNano()), 150
	if text := os.Getenv("HEADGATE_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	if n, err := strconv.Atoi(os.Getenv("HEADGATE_MUTANTS")); err == nil {
		each = n
	}
	t.Logf("seed %d", seed)
	for _, version := range []byte{4, 5} {
		r := start(t, func(_ *rig, c *mqtt.Config) { c.Log = nil; c.ConnectTimeout = 2 * time.Second })
		other, _ := r.login(t, 5, "bystander", nil)
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		before, sent := m.HeapAlloc+m.StackInuse, uint16(0)
		for name, good := range samples(t, version) {
			random := rand.New(rand.NewPCG(seed, uint64(version)))
			var all sync.WaitGroup
			for worker := range 4 {
				own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
				all.Go(func() {
					for i := range each / 4 {
						c, err := net.Dial("tcp", r.Addr().String())
						if err != nil {
							t.Error(err)
							return
						}
						hello := samples(quietly{t}, version)["CONNECT"]
						if name == "CONNECT" {
							hello = nil
						} else if hello = bytes.Replace(hello, []byte("mutant"), fmt.Appendf(nil, "m%d%04d", worker, i%10000), 1); len(hello) == 0 {
							t.Error("no CONNECT")
						}
						c.Write(append(hello, mutate(own, good)...))
						c.(*net.TCPConn).CloseWrite() // the broker reads to the end
						c.SetReadDeadline(time.Now().Add(10 * time.Second))
						if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("%s: the connection does not end", name)
						}
						c.Close()
					}
				})
			}
			all.Wait()
			sent++
			other.send(publish(sent, 1, "still/here", name))
			other.want(packets.Puback, sent, 0)
		}
		eventually(t, "only the bystander is left", func() bool { s := r.Stats(); return s.Connections == 1 && s.Pending == 0 })
		runtime.GC()
		runtime.ReadMemStats(&m)
		// What was published is kept in the rig's log: a few hundred bytes each.
		if now, most := m.HeapAlloc+m.StackInuse, before+uint64(14*each)*2000+8<<20; now > most {
			t.Errorf("v%d: %d bytes in use, %d before", version, now, before)
		}
	}
}

func TestAFloodOfFirstPackets(t *testing.T) {
	// Connections that announce much, or nothing sensible, cost next to nothing
	// and end in time (CVE-2023-0809; mochi #502: 2 GiB for eight of them).
	r := start(t, func(_ *rig, c *mqtt.Config) { c.ConnectTimeout = time.Second; c.Log = nil })
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := m.TotalAlloc
	var all []net.Conn
	for i := range 300 {
		c, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
		c.Write([][]byte{{0x10, 0xff, 0xff, 0xff, 0x7f}, {0x10, 0xff, 0x7f}, {0x30, 0xff, 0xff, 0xff, 0x7f}, {0x10}, nil}[i%5])
	}
	eventually(t, "all have ended", func() bool { return r.Stats().Accepted == 300 && r.Stats().Connections == 0 })
	runtime.ReadMemStats(&m)
	if made := (m.TotalAlloc - before) / uint64(len(all)); made > 64<<10 {
		t.Errorf("%d bytes were made for each", made)
	}
}

func TestOutOfFileDescriptors(t *testing.T) {
	r := start(t, nil)
	c, _ := r.login(t, 5, "before", nil)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	low := was
	low.Cur = uint64(len(open)) + 20
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	restore := sync.OnceFunc(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) })
	defer restore()
	var waiting []net.Conn
	for range 40 { // until there is none left for either side
		one, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			break
		}
		defer one.Close()
		waiting = append(waiting, one)
	}
	c.send(publish(1, 1, "a", "x")) // who is in is served
	c.want(packets.Puback, 1, 0)
	eventually(t, "accept has failed", func() bool { return bytes.Contains([]byte(r.out.String()), []byte("too many open files")) })
	for _, one := range waiting {
		one.Close()
	}
	restore()
	late, _ := r.login(t, 5, "after", nil)
	late.send(publish(1, 1, "a", "y"))
	late.want(packets.Puback, 1, 0)
}
