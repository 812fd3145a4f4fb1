package scenario_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
	"headgate/firmware-sim/mosquitto"
	"headgate/firmware-sim/packet"
	"headgate/firmware-sim/scenario"
)

func watch(t *testing.T, addr, filter string) *packet.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := packet.Open(t.Context(), raw, packet.Connect{ClientID: "watch", Clean: true})
	if err != nil {
		t.Fatal(err)
	}
	var run sync.WaitGroup
	run.Go(func() { c.Run(context.Background()) })
	t.Cleanup(func() { c.Drop(); run.Wait() })
	if err := c.Subscribe(t.Context(), filter); err != nil {
		t.Fatal(err)
	}
	return c
}

func next(t *testing.T, c *packet.Conn) packet.Message {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	m, err := c.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func setting(addr string) scenario.Setting {
	return scenario.Setting{Broker: addr, Dial: fleet.Plain, World: device.World{Seed: 5}}
}

func TestExamplesAreGood(t *testing.T) {
	all, err := scenario.Examples()
	if err != nil || len(all) < 7 {
		t.Fatal(len(all), err)
	}
	for _, s := range all {
		if again, err := scenario.Open(s.Name); err != nil || again.About != s.About || s.About == "" {
			t.Errorf("%s: %v", s.Name, err)
		}
		if f := s.Fleet; f != nil {
			if _, err := fleet.New(fleet.Config{Broker: "127.0.0.1:1", Devices: f.Devices, Kinds: f.Kinds, QoS: f.QoS, Versions: f.Versions,
				Rate: f.Rate, Messages: f.Messages, Window: f.Window, KeepAlive: f.KeepAlive, BackoffMax: f.Backoff}); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
	}
}

func TestWhatIsNoScenario(t *testing.T) {
	for _, text := range []string{"", "name: x", "name: x\nfleet: {}\nsparkplug: {nodes: 1, messages: 1}", "name: x\nfleet: {wheels: 4}", "name: x\nfleet: {}\nfaults: {cat: 1}",
		"name: x\nfleet: {}\nsteps: [{at: 1s, partition: true}]", "name: x\nlorawan: {devices: 0}", "name: x\nfleet: {}\nlink: {loss: 2}", "\xff"} {
		if _, err := scenario.Parse([]byte(text)); !errors.Is(err, scenario.ErrScenario) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// payload is what a test decodes of Sparkplug, with a decoder that is not ours.
type payload struct {
	seq     int64 // -1: none
	names   map[string]uint64
	values  map[uint64]float64
	bdSeq   uint64
	metrics int
}

func decode(t *testing.T, b []byte) payload {
	t.Helper()
	p := payload{seq: -1, names: map[string]uint64{}, values: map[uint64]float64{}}
	each(t, b, func(n protowire.Number, v uint64, data []byte) {
		switch n {
		case 3:
			p.seq = int64(v)
		case 2:
			p.metrics++
			var name string
			var alias, long uint64
			var double float64
			each(t, data, func(n protowire.Number, v uint64, data []byte) {
				switch n {
				case 1:
					name = string(data)
				case 2:
					alias = v
				case 11:
					long = v
				case 13:
					double = math.Float64frombits(v)
				}
			})
			if name == "bdSeq" {
				p.bdSeq = long
			} else if name != "" {
				p.names[name] = alias
			}
			if alias != 0 {
				p.values[alias] = double
			}
		}
	})
	return p
}

func each(t *testing.T, b []byte, tell func(protowire.Number, uint64, []byte)) {
	t.Helper()
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		b = b[size:]
		var v uint64
		var data []byte
		switch kind {
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, size = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			data, size = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("field %d of type %d", n, kind)
		}
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		tell(n, v, data)
		b = b[size:]
	}
}

// A node is born, measures, is born again on command, and dies.
func TestSparkplug(t *testing.T) {
	addr := mosquitto.Start(t).Addr
	w := watch(t, addr, "spBv1.0/#")
	s, err := scenario.Parse([]byte("name: x\nsparkplug: {group: hall, nodes: 1, rate: 20, messages: 300}"))
	if err != nil {
		t.Fatal(err)
	}
	s.Sparkplug.Messages = 30
	var run sync.WaitGroup
	run.Go(func() {
		if r, err := scenario.Play(context.Background(), s, setting(addr)); err != nil || r.Acknowledged != 30 {
			t.Errorf("%+v %v", r, err)
		}
	})
	t.Cleanup(run.Wait)
	d, err := device.World{Seed: 5}.Device(device.ID{Kind: device.Temperature})
	if err != nil {
		t.Fatal(err)
	}
	const node = "hall/%/temp-00000"
	topic := func(kind string) string { return "spBv1.0/" + strings.Replace(node, "%", kind, 1) }
	m := next(t, w)
	birth := decode(t, m.Payload)
	if m.Topic != topic("NBIRTH") || birth.seq != 0 || birth.bdSeq == 0 || birth.names["temperature"] == 0 || birth.metrics != 6 {
		t.Fatalf("%s %+v", m.Topic, birth)
	}
	seq, births, number := int64(0), 1, uint64(0)
	for {
		m := next(t, w)
		p := decode(t, m.Payload)
		switch m.Topic {
		case topic("NDATA"):
			number++
			seq = (seq + 1) % 256
			var sent struct {
				Temperature float64 `json:"temperature"`
			}
			if err := json.Unmarshal(d.Append(nil, number), &sent); err != nil {
				t.Fatal(err)
			}
			if p.seq != seq || len(p.names) != 0 || p.values[birth.names["temperature"]] != sent.Temperature {
				t.Fatalf("message %d: %+v, sent %+v", number, p, sent)
			}
			if number == 5 {
				if err := w.Publish(t.Context(), packet.Message{Topic: topic("NCMD"), QoS: 1, Payload: []byte{}}); err != nil {
					t.Fatal(err)
				}
			}
		case topic("NBIRTH"):
			births++
			seq = 0
			if p.seq != 0 || p.bdSeq != birth.bdSeq {
				t.Errorf("%+v", p)
			}
		case topic("NDEATH"):
			if p.bdSeq != birth.bdSeq || p.seq != -1 || births != 2 || number != 30 {
				t.Errorf("%+v, %d births, %d messages", p, births, number)
			}
			return
		}
	}
}

func TestLoRaWAN(t *testing.T) {
	addr := mosquitto.Start(t).Addr
	w := watch(t, addr, "application/+/device/+/event/up")
	s, err := scenario.Parse([]byte("name: x\nlorawan: {devices: 3, messages: 4}"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := scenario.Play(t.Context(), s, setting(addr)); err != nil || r.Acknowledged != 12 {
		t.Fatalf("%+v %v", r, err)
	}
	seen := map[string]bool{}
	for range 12 {
		m := next(t, w)
		var up struct {
			DeviceInfo struct{ DevEUI string }
			FCnt       int
			Data       []byte
			Object     map[string]float64
			Time       time.Time
		}
		if err := json.Unmarshal(m.Payload, &up); err != nil {
			t.Fatal(err)
		}
		if eui := strings.Split(m.Topic, "/")[3]; len(eui) != 16 || eui != up.DeviceInfo.DevEUI || len(up.Data) != 4*len(up.Object) || up.Object["temperature"] == 0 || up.Time.IsZero() {
			t.Errorf("%s %s", m.Topic, m.Payload)
		}
		seen[up.DeviceInfo.DevEUI+string(rune('0'+up.FCnt))] = true
	}
	if len(seen) != 12 {
		t.Errorf("%v", seen)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 || bytes.ContainsAny(text, "&*") { // aliases are the library's business
			return
		}
		if s, err := scenario.Parse(text); err == nil && s.Name == "" {
			t.Error("a scenario without a name")
		}
	})
}
