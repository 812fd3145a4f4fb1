package device_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"headgate/firmware-sim/device"
)

func mustDevice(t testing.TB, w device.World, id device.ID) *device.Device {
	t.Helper()
	d, err := w.Device(id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPayloads(t *testing.T) {
	sizes := map[device.Kind][2]int{
		device.Temperature: {135, 155}, device.GPS: {190, 220}, device.Vibration: {300, 460},
		device.Energy: {130, 190}, device.Door: {100, 170}, device.Motion: {100, 170},
	}
	w := device.World{Seed: 7, Epoch: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for _, kind := range device.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			id := device.ID{Kind: kind, Number: 17}
			d, again := mustDevice(t, w, id), mustDevice(t, w, id)
			other := mustDevice(t, device.World{Seed: 8, Epoch: w.Epoch}, id)
			total, differ := 0, false
			for n := uint64(1); n <= 2000; n++ {
				data := d.Append(nil, n)
				total += len(data)
				if !json.Valid(data) {
					t.Fatalf("payload %d is no JSON: %s", n, data)
				}
				gotID, gotN, err := device.Identify(data)
				if err != nil || gotID != id || gotN != n || !device.Whole(data) {
					t.Fatalf("payload %d reads as %v %d, %v: %s", n, gotID, gotN, err, data)
				}
				differ = differ || !bytes.Equal(data, other.Append(nil, n))
			}
			for n := uint64(2000); n > 13; n -= 13 { // in any order
				if same, _ := again.Check(d.Append(nil, n), n, nil); !same {
					t.Fatalf("payload %d is not a pure function", n)
				}
			}
			if !differ && kind != device.Door {
				t.Error("the seed makes no difference")
			}
			if mean := total / 2000; mean < sizes[kind][0] || mean > sizes[kind][1] {
				t.Errorf("payloads have %d bytes, want %v: %s", mean, sizes[kind], d.Append(nil, 1234))
			}
		})
	}
}

// Golden payloads: a simulator and a checker of another build or processor must agree.
func TestGoldenPayloads(t *testing.T) {
	golden := map[device.Kind]string{
		device.Temperature: `{"device":"temp-00003","seq":1000,"ts":1767226600048,"temperature":22.77,"unit":"C","humidity":52.6,"battery":3.721,"rssi":-67,"crc":"403bb6bb"}`,
		device.GPS:         `{"device":"gps-00003","seq":1000,"ts":1767226600005,"lat":50.2704296,"lon":9.0620876,"alt":139.5,"speed":4.3,"heading":315.6,"hdop":1.0,"sats":11,"ignition":true,"odometer":856416.79,"crc":"dd3ac2f2"}`,
		device.Vibration:   `{"device":"vib-00003","seq":1000,"ts":1767226600023,"rpm":1344,"peak":0.106,"rms":0.066,"mg":[-78,-56,87,84,-73,-101,58,92,-23,-90,-13,63,46,-48,-61,1,54,40,-65,-85,48,94,-40,-97,13,106,23,-102,-28,79,64,-21,-64,-23,54,57,-46,-93,23,101,9,-95,-48,96,67,-87,-64,41,63,1,-46,-40,38,71,-18,-91,-29,90,67,-82,-84,71,102,-50],"crc":"928d5399"}`,
		device.Energy:      `{"device":"energy-00003","seq":1000,"ts":1767226600002,"wh":1259757.0,"watts":925,"volts":229.9,"amps":4.023,"hz":49.979,"pf":0.97,"crc":"2427bf0e"}`,
		device.Door:        `{"device":"door-00003","seq":1000,"ts":1767226600007,"event":"closed","by":"handle","held":68.797,"battery":2.900,"crc":"0ba68eb7"}`,
		device.Motion:      `{"device":"motion-00003","seq":1000,"ts":1767226600009,"event":"motion","zone":1,"score":0.94,"lux":278,"count":1000,"crc":"f8279a6c"}`,
	}
	w := device.World{Seed: 42}
	for kind, want := range golden {
		d := mustDevice(t, w, device.ID{Kind: kind, Number: 3})
		if got := string(d.Append(nil, 1_000)); got != want {
			t.Errorf("%s\n got %s\nwant %s", kind, got, want)
		}
	}
}

func TestSignalsMoveGently(t *testing.T) {
	d := mustDevice(t, device.World{Seed: 3}, device.ID{Kind: device.Temperature, Number: 1})
	var before float64
	for n := uint64(1); n < 90_000; n++ {
		var p struct{ Temperature, Humidity float64 }
		if err := json.Unmarshal(d.Append(nil, n), &p); err != nil {
			t.Fatal(err)
		}
		if p.Temperature < 5 || p.Temperature > 35 || p.Humidity < 20 || p.Humidity > 80 {
			t.Fatalf("sample %d: %+v is not believable", n, p)
		}
		if step := p.Temperature - before; n > 1 && (step > 0.2 || step < -0.2) {
			t.Fatalf("sample %d jumps by %g degrees", n, step)
		}
		before = p.Temperature
	}
}

func TestEnergyNeverFalls(t *testing.T) {
	d := mustDevice(t, device.World{Seed: 3}, device.ID{Kind: device.Energy, Number: 1})
	var before float64
	for n := uint64(1); n < 5_000; n++ {
		var p struct{ Wh float64 }
		if err := json.Unmarshal(d.Append(nil, n), &p); err != nil || p.Wh < before {
			t.Fatalf("sample %d: %g after %g, %v", n, p.Wh, before, err)
		}
		before = p.Wh
	}
}

func TestCheckFindsAlteration(t *testing.T) {
	w := device.World{Seed: 5}
	d := mustDevice(t, w, device.ID{Kind: device.GPS, Number: 2})
	good := d.Append(nil, 9)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if same, _ := d.Check(bad, 9, nil); same || device.Whole(bad) {
			t.Fatalf("a flipped bit at %d passes: %s", i, bad)
		}
	}
	if same, _ := d.Check(d.Append(nil, 10), 9, nil); same {
		t.Error("payload 10 passes as payload 9")
	}
}

func TestParseID(t *testing.T) {
	for text, want := range map[string]bool{
		"temp-00017": true, "gps-123456": true, "temp-17": false, "temp": false, "hat-00001": false,
		"temp--0001": false, "": false, "temp-99999999999": false, "temp-00017 ": false,
	} {
		id, err := device.ParseID(text)
		if (err == nil) != want || err != nil && !errors.Is(err, device.ErrID) || err == nil && id.String() != text {
			t.Errorf("%q: %v, %v", text, id, err)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	w := device.World{Seed: 1}
	for _, kind := range device.Kinds() {
		f.Add(mustDevice(f, w, device.ID{Kind: kind, Number: 1}).Append(nil, 1))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		id, n, err := device.Identify(data)
		if err != nil {
			return
		}
		d := mustDevice(t, w, id)
		if same, _ := d.Check(data, n, nil); same && !device.Whole(data) {
			t.Fatalf("%s is the device's own and not whole", data)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	d := mustDevice(b, device.World{Seed: 1}, device.ID{Kind: device.Temperature, Number: 1})
	var buf []byte
	for n := range b.N {
		buf = d.Append(buf[:0], uint64(n))
	}
}
