package webrtc_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"headgate/firmware-sim/camera"
)

// appendUnits appends a stored frame of H.264 as a stream of its own.
func appendUnits(b, frame []byte) []byte {
	for len(frame) >= 4 {
		n := 4 + int(binary.BigEndian.Uint32(frame))
		b = append(append(b, 0, 0, 0, 1), frame[4:min(n, len(frame))]...)
		frame = frame[min(n, len(frame)):]
	}
	return b
}

// numbers are the frame numbers that a stream of H.264 shows when ffmpeg
// decodes it. It must have nothing to complain of.
func numbers(t *testing.T, stream []byte, width int) []uint32 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "film.h264")
	if err := os.WriteFile(file, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	const rows = 32 // the number lies in them
	cmd := exec.Command(need(t, "ffmpeg"), "-v", "error", "-nostdin", "-f", "h264", "-i", file, "-vsync", "passthrough",
		"-vf", fmt.Sprintf("crop=%d:%d:0:0", width, rows), "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	pixels, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("ffmpeg: %v %.2000s", err, complaints.Bytes())
	}
	var all []uint32
	for ; len(pixels) >= width*rows; pixels = pixels[width*rows:] {
		all = append(all, camera.ReadNumber(pixels[:width*rows], width, width))
	}
	return all
}
