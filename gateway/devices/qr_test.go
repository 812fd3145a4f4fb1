package devices_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"headgate/gateway/devices"
	"headgate/shardlog"
)

// zbar reads grey pixels with Debian's libzbar, 8 bits each.
const zbar = `
import ctypes, sys
z = ctypes.CDLL("libzbar.so.0")
for f in "zbar_image_create", "zbar_image_scanner_create", "zbar_image_first_symbol":
    getattr(z, f).restype = ctypes.c_void_p
z.zbar_symbol_get_data.restype = ctypes.c_char_p
width, height = int(sys.argv[2]), int(sys.argv[3])
data = open(sys.argv[1], "rb").read()
image = ctypes.c_void_p(z.zbar_image_create())
z.zbar_image_set_format(image, ctypes.c_ulong(int.from_bytes(b"Y800", "little")))
z.zbar_image_set_size(image, width, height)
z.zbar_image_set_data(image, data, ctypes.c_ulong(len(data)), None)
z.zbar_scan_image(ctypes.c_void_p(z.zbar_image_scanner_create()), image)
symbol = z.zbar_image_first_symbol(image)
print(z.zbar_symbol_get_data(ctypes.c_void_p(symbol)).decode() if symbol else "nothing")
`

func TestTheQRCodeCanBeRead(t *testing.T) {
	r := newRig(t)
	code, _, err := r.store.NewClaim(t.Context(), devices.ClaimOrder{Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	drawn := code.QR(false)
	if lines := strings.Count(drawn, "\n"); lines != 17 {
		t.Errorf("%d lines", lines)
	}
	if colored := code.QR(true); !strings.Contains(colored, "\x1b[0m\n") || strings.Contains(drawn, "\x1b") {
		t.Error("colours")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		missing(t, "no python3 here")
	}
	pixels, width, height := photograph(drawn)
	file := filepath.Join(t.TempDir(), "pixels")
	if err := os.WriteFile(file, pixels, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", zbar, file, strconv.Itoa(width), strconv.Itoa(height)).CombinedOutput()
	if err != nil && strings.Contains(string(out), "libzbar.so.0: cannot open") {
		missing(t, "no libzbar here")
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, err := devices.ParseCode(string(out)); err != nil || got != code {
		t.Errorf("libzbar read something else: %v", err)
	}
	for _, bad := range []string{"", strings.Repeat("x", 301)} {
		_, err := devices.QR(bad, false)
		wantKind(t, err, shardlog.Invalid)
	}
}

// photograph is the pixels of a dark terminal, 8 for each square.
func photograph(drawn string) (pixels []byte, width, height int) {
	const scale = 8
	for line := range strings.Lines(drawn) {
		runes := []rune(strings.TrimSuffix(line, "\n"))
		for half := range 2 {
			var row []byte
			for _, r := range runes {
				grey := byte(0)
				if r == '█' || half == 0 && r == '▀' || half == 1 && r == '▄' {
					grey = 255
				}
				for range scale {
					row = append(row, grey)
				}
			}
			for range scale {
				pixels = append(pixels, row...)
				height++
			}
			width = len(row)
		}
	}
	return pixels, width, height
}
