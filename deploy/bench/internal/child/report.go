package child

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Peer is where a program of deploy/peers lies once it has been built as its
// README says.
func Peer(name string) string {
	dir := os.Getenv("HEADGATE_PEERS")
	if dir == "" {
		cache, _ := os.UserCacheDir()
		dir = filepath.Join(cache, "headgate", "peers")
	}
	return filepath.Join(dir, name)
}

// Report runs a measurement in a folder of its own below parent and reads the
// JSON that it prints.
func Report(parent string, measurement func(dir string) *exec.Cmd, into any) error {
	dir, err := os.MkdirTemp(parent, "headgate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	command := measurement(dir)
	command.Stderr = os.Stderr
	command.WaitDelay = 10 * time.Second
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(command.Path), err)
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(into); err != nil {
		return fmt.Errorf("read what %s printed: %w", filepath.Base(command.Path), err)
	}
	return nil
}
