package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"headgate/firmware-sim/device"
)

// devices is how many devices send, half of them thermometers, half vehicles.
const devices = 200

// sensor makes the payloads of one device, one after the other.
type sensor struct {
	id     string
	append func(b []byte) []byte
}

// sensors makes all devices. Every run of the same settings makes the same
// payloads, apart from their times.
func sensors(payload string, rate int) ([]*sensor, error) {
	all := make([]*sensor, devices)
	for i := range all {
		if payload == "firmware" {
			s, err := firmware(i, rate)
			if err != nil {
				return nil, err
			}
			all[i] = s
			continue
		}
		all[i] = plain(i)
	}
	return all, nil
}

// firmware is a device of firmware-sim, sampling as often as it sends.
func firmware(i, rate int) (*sensor, error) {
	kind := device.Temperature
	if i%2 == 1 {
		kind = device.GPS
	}
	world := device.World{Seed: 1, Epoch: time.Now(), Period: devices * time.Second / time.Duration(rate)}
	d, err := world.Device(device.ID{Kind: kind, Number: uint32(i)})
	if err != nil {
		return nil, fmt.Errorf("make device: %w", err)
	}
	n := uint64(0)
	return &sensor{id: fmt.Sprintf("device-%04d", i), append: func(b []byte) []byte {
		n++
		return d.Append(b, n-1)
	}}, nil
}

// plain is a thermometer (about 145 bytes) or a vehicle (about 205) whose
// values wander at random, with all their digits.
func plain(i int) *sensor {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	walk := func(start, step float64) func() float64 {
		return func() float64 { start += r.NormFloat64() * step; return start }
	}
	s, seq := &sensor{}, 0
	if i%2 == 0 {
		s.id = fmt.Sprintf("thermo-%04d", i)
		t, humidity, battery := walk(18+r.Float64()*8, 0.05), walk(35+r.Float64()*30, 0.1), walk(3.6+r.Float64()/4, 0.0005)
		s.append = func(b []byte) []byte {
			seq++
			return fmt.Appendf(b, `{"device":%q,"seq":%d,"ts":%d,"temperature":%.2f,"unit":"C","humidity":%.1f,"battery":%.3f,"rssi":%d,"site":"plant-%d"}`,
				s.id, seq, time.Now().UnixMilli(), t(), humidity(), battery(), -60-r.IntN(12), i%7)
		}
		return s
	}
	s.id = fmt.Sprintf("vehicle-%04d", i)
	lat, lon, alt, speed, heading := walk(48+r.Float64(), 0.00008), walk(8+r.Float64(), 0.00012), walk(300+r.Float64()*200, 0.4), walk(13, 0.6), walk(180, 4)
	odometer := r.Float64() * 90_000
	s.append = func(b []byte) []byte {
		seq++
		v := max(0, speed())
		odometer += v / 1000
		return fmt.Appendf(b, `{"device":%q,"seq":%d,"ts":%d,"lat":%.7f,"lon":%.7f,"alt":%.1f,"speed":%.1f,"heading":%.1f,"hdop":%.1f,"sats":%d,"ignition":true,"fix":"3d","odometer":%.2f,"route":"north-%02d"}`,
			s.id, seq, time.Now().UnixMilli(), lat(), lon(), alt(), v, float64(int(heading()*10+36000)%3600)/10, 0.8+r.Float64()/2, 8+r.IntN(5), odometer, i%40)
	}
	return s
}
