package camera_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// ffmpeg runs ffmpeg, which must say nothing, and returns its output. Where
// there is none the test is skipped, but in CI it fails.
func ffmpeg(t *testing.T, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have ffmpeg")
		}
		t.Skip("there is no ffmpeg")
	}
	var out, said bytes.Buffer
	c := exec.Command(path, append([]string{"-v", "error", "-nostdin", "-xerror", "-err_detect", "explode"}, args...)...)
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil || said.Len() > 0 {
		t.Fatalf("ffmpeg: %v: %s", err, said.String())
	}
	return out.Bytes()
}

// decode decodes a stream of one size into the luma of its pictures.
func decode(t *testing.T, stream []byte, width, height int) [][]byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.h264")
	if err := os.WriteFile(file, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	pixels := ffmpeg(t, "-f", "h264", "-i", file, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p",
		"-s", strconv.Itoa(width)+"x"+strconv.Itoa(height), "pipe:1")
	size := width * height * 3 / 2
	if len(pixels)%size != 0 {
		t.Fatalf("%d bytes are not pictures of %d", len(pixels), size)
	}
	var pictures [][]byte
	for ; len(pixels) > 0; pixels = pixels[size:] {
		pictures = append(pictures, pixels[:width*height])
	}
	return pictures
}
