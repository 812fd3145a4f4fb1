package camera

import "fmt"

// level is a row of table A-1 of H.264, as far as it binds a camera.
type level struct {
	number byte
	speed  int // macroblocks a second
	size   int // macroblocks of a frame
	rate   int // kbit/s
}

// levelFor is the lowest level that a video keeps to, but not below 3.1, which
// every WebRTC peer takes; the highest one for what is beyond all.
func levelFor(v Video) byte {
	levels := [...]level{
		{31, 108_000, 3_600, 14_000}, {32, 216_000, 5_120, 20_000}, {40, 245_760, 8_192, 20_000},
		{41, 245_760, 8_192, 50_000}, {42, 522_240, 8_704, 50_000}, {50, 589_824, 22_080, 135_000},
		{51, 983_040, 36_864, 240_000}, {52, 2_073_600, 36_864, 240_000},
	}
	columns, rows := (v.Width+15)/16, (v.Height+15)/16
	for _, l := range levels {
		longest := max(columns, rows)
		if columns*rows <= l.size && longest*longest <= 8*l.size && columns*rows*v.FPS <= l.speed && v.BitsPerSecond <= l.rate*1000 {
			return l.number
		}
	}
	return levels[len(levels)-1].number
}

// profileLevel is the profile-level-id of a video: constrained baseline.
func profileLevel(v Video) string { return fmt.Sprintf("42e0%02x", levelFor(v)) }
