package camera_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"headgate/firmware-sim/camera"
)

func TestDecodersReadWhatWasDrawn(t *testing.T) {
	for _, v := range []camera.Video{
		{},
		{Width: 128, Height: 96, FPS: 5, BitsPerSecond: 50_000, GOP: 3},
		{Width: 320, Height: 240, FPS: 15, BitsPerSecond: 500_000, GOP: 10},
		{Width: 642, Height: 482, FPS: 25, BitsPerSecond: 8_000_000, GOP: 50},
		{Width: 1920, Height: 1080, FPS: 30, BitsPerSecond: 6_000_000, GOP: 15},
		{Width: 720, Height: 1280, FPS: 60, BitsPerSecond: 1, GOP: 1},
	} {
		v = v.Normal()
		t.Run(fmt.Sprintf("%dx%d", v.Width, v.Height), func(t *testing.T) {
			g := camera.NewGenerator(v)
			var stream []byte
			var numbers []uint32
			var size, pictures int
			for i := range 40 {
				number := uint32(math.MaxUint32/40*i + i)
				unit, key := g.Frame(number, i%3 == 0, i == 17)
				if want := i%v.GOP == 0; i < 17 && key != want || i == 17 && !key {
					t.Errorf("frame %d: key %v", i, key)
				}
				if key && len(unit) > v.Width*v.Height/128 && v.Width > 128 {
					t.Errorf("a keyframe has %d bytes", len(unit))
				}
				if pictures++; i > 0 {
					size += len(unit)
				}
				stream, numbers = append(stream, unit...), append(numbers, number)
			}
			for i, luma := range decode(t, stream, v.Width, v.Height) {
				pictures--
				if got := camera.ReadNumber(luma, v.Width, v.Width); got != numbers[i] {
					t.Errorf("picture %d shows number %x, want %x", i, got, numbers[i])
				}
				if got, want := camera.ReadFlash(luma, v.Width, v.Width), i%3 == 0; got != want {
					t.Errorf("picture %d: flash %v, want %v", i, got, want)
				}
			}
			if pictures != 0 {
				t.Errorf("%d pictures are missing", pictures)
			}
			if rate := size * 8 * v.FPS / 39; v.BitsPerSecond >= 500_000 && math.Abs(float64(rate)/float64(v.BitsPerSecond)-1) > 0.1 {
				t.Errorf("%d bits a second, want %d", rate, v.BitsPerSecond)
			}
		})
	}
}

func TestSizesMayChangeInAStream(t *testing.T) {
	var stream []byte
	for i, v := range []camera.Video{{}, {Width: 320, Height: 180}, {Width: 1920, Height: 1080}} {
		g := camera.NewGenerator(v.Normal())
		for n := range uint32(10) {
			unit, _ := g.Frame(uint32(i)*10+n, false, false)
			stream = append(stream, unit...)
		}
	}
	file := filepath.Join(t.TempDir(), "x.h264")
	if err := os.WriteFile(file, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	ffmpeg(t, "-f", "h264", "-i", file, "-f", "null", "-")
}
