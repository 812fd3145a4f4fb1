package gateway_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// dead is what the linker must be able to leave out of the binary: running a
// template looks methods up by name, and then every exported method of every
// linked library stays. Parsing one, which cobra does, costs little.
var dead = []string{" text/template.(*Template).Execute", " text/template.(*state).evalField", " html/template.(*Template).Execute"}

// aimBinary is how large the stripped binary should be at most.
const aimBinary = 40 << 20

func TestLinkerDropsWhatNobodyCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary twice")
	}
	whole, stripped := filepath.Join(t.TempDir(), "headgate"), filepath.Join(t.TempDir(), "headgate")
	for _, args := range [][]string{{"build", "-trimpath", "-o", whole}, {"build", "-trimpath", "-ldflags=-s -w", "-o", stripped}} {
		build := exec.Command("go", append(args, "headgate/cmd/headgate")...)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	symbols, err := exec.Command("go", "tool", "nm", whole).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range dead {
		if bytes.Contains(symbols, []byte(name)) {
			t.Errorf("the binary holds%s: see what calls reflect.Value.MethodByName or a template", name)
		}
	}
	if info, err := os.Stat(stripped); err != nil {
		t.Error(err)
	} else if info.Size() > aimBinary {
		t.Logf("the binary has %d bytes, more than %d", info.Size(), aimBinary)
	} else {
		t.Logf("the binary has %.1f MB, %d symbols of methods", float64(info.Size())/1e6, bytes.Count(symbols, []byte(").")))
	}
}
