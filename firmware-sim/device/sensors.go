package device

import "strconv"

const (
	second = 1000 // ticks are milliseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// temperature is a climate probe: day and night, weather, a little noise.
func temperature(b []byte, s noise, n, tick uint64) []byte {
	home := 1800 + s.at(2, 600) // hundredths of a degree
	t := home + swing(tick, day, 350) + s.fork(3).wave(tick, 10*minute, 120) + s.fork(4).at(n, 7) - 3
	humidity := 480 - swing(tick, day, 60) + s.fork(5).wave(tick, 20*minute, 70)
	b = field(b, "temperature", t, 2)
	b = text(b, "unit", "C")
	b = field(b, "humidity", humidity, 1)
	b = field(b, "battery", 3720-int64(tick/hour%1000)/2+s.fork(6).at(n, 5), 3)
	return field(b, "rssi", -62+s.fork(7).wave(tick, minute, 9), 0)
}

// gps is a vehicle that wanders around its depot.
func gps(b []byte, s noise, n, tick uint64) []byte {
	walk := func(salt uint64, at uint64) int64 { // 1e-7 degrees
		return s.fork(salt).wave(at, 20*minute, 300_000) + s.fork(salt+1).wave(at, 90*second, 12_000)
	}
	lat := 485_000_000 + s.at(2, 40_000_000) + walk(10, tick)
	lon := 80_000_000 + s.at(3, 50_000_000) + walk(12, tick)
	north, east := walk(10, tick+second)-walk(10, tick), walk(12, tick+second)-walk(12, tick)
	speed := (abs(north) + abs(east)*2/3) / 9 // about decimetres a second
	b = field(b, "lat", lat, 7)
	b = field(b, "lon", lon, 7)
	b = field(b, "alt", 1200+s.fork(14).wave(tick, 10*minute, 300), 1)
	b = field(b, "speed", speed, 1)
	b = field(b, "heading", heading(north, east), 1)
	b = field(b, "hdop", 9+s.fork(15).at(tick/minute, 6), 1)
	b = field(b, "sats", 9+s.fork(16).at(tick/minute, 5), 0)
	b = append(b, `,"ignition":true`...)
	return field(b, "odometer", s.at(4, 900_000_00)+int64(tick/100)+s.fork(17).wave(tick, minute, 20), 2)
}

// heading is roughly the compass direction in tenths of a degree.
func heading(north, east int64) int64 {
	sum := abs(north) + abs(east)
	if sum == 0 {
		return 0
	}
	turn := 900 * abs(east) / sum // a diamond instead of a circle: integers only
	switch {
	case north >= 0 && east >= 0:
		return turn
	case north < 0 && east >= 0:
		return 1800 - turn
	case north < 0:
		return 1800 + turn
	}
	return (3600 - turn) % 3600
}

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}

// vibration is a window of 64 samples of a machine that turns, wears and is switched off at times.
func vibration(b []byte, s noise, n, tick uint64) []byte {
	level := 90 + swing(tick, 8*hour, 60) + s.fork(10).wave(tick, 5*minute, 25) // milli-g
	if s.fork(11).at(tick/(30*minute), 5) == 0 {
		level = 3
	}
	rpm := level * 16
	var peak, energy int64
	var samples [64]int64
	for i := range samples {
		v := swing(uint64(i)*7+n%16, 32, level) + swing(uint64(i)*3, 11, level/3) + s.fork(12).at(n*64+uint64(i), level/4+3) - level/8
		samples[i] = v
		peak = max(peak, abs(v))
		energy += v * v
	}
	b = field(b, "rpm", rpm, 0)
	b = field(b, "peak", peak, 3)
	b = field(b, "rms", root(energy/int64(len(samples))), 3)
	b = append(b, `,"mg":[`...)
	for i, v := range samples {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, v, 10)
	}
	return append(b, ']')
}

// root is the whole square root.
func root(x int64) int64 {
	r := x
	for r > 0 && r > x/r {
		r = (r + x/r) / 2
	}
	return r
}

// energy is a meter: a register that only grows, and what flows now.
func energy(b []byte, s noise, n, tick uint64) []byte {
	watts := 900 + swing(tick, day, 500) + s.fork(10).wave(tick, 3*minute, 250) + s.fork(11).at(n, 11)
	volts := 2300 + s.fork(12).wave(tick, minute, 40)
	b = field(b, "wh", 12_000_000+int64(tick/4)+s.fork(13).at(0, 1_000_000), 1)
	b = field(b, "watts", watts, 0)
	b = field(b, "volts", volts, 1)
	b = field(b, "amps", watts*1000*10/volts, 3)
	b = field(b, "hz", 50_000+s.fork(14).wave(tick, 20*second, 30), 3)
	return field(b, "pf", 96+s.fork(15).at(tick/minute, 4), 2)
}

// door is a contact that opens and closes in turn.
func door(b []byte, s noise, n, _ uint64) []byte {
	state := "closed"
	if n%2 == 1 {
		state = "open"
	}
	b = text(b, "event", state)
	b = text(b, "by", [...]string{"badge", "handle", "remote", "alarm"}[s.fork(10).at(n/2, 4)])
	b = field(b, "held", s.fork(11).at(n, 90_000), 3)
	return field(b, "battery", 3000-int64(n%2000)/10, 3)
}

// motion is a detector that saw something in one of its zones.
func motion(b []byte, s noise, n, tick uint64) []byte {
	b = text(b, "event", "motion")
	b = field(b, "zone", 1+s.fork(10).at(n, 4), 0)
	b = field(b, "score", 50+s.fork(11).at(n, 50), 2)
	b = field(b, "lux", 300+swing(tick, day, 280)+s.fork(12).at(n, 15), 0)
	return field(b, "count", int64(n), 0)
}
