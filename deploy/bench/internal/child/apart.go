package child

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// apart says to a child that its network is its own.
const apart = "HEADGATE_BENCH_APART"

// Apart lets a command run in a network of its own, so that all that its
// loopback carries is its own. Without root, or Debian's iproute2, the command
// stays as it is.
func Apart(command *exec.Cmd) *exec.Cmd {
	unshare, err := exec.LookPath("unshare")
	if _, e := exec.LookPath("ip"); err != nil || e != nil || os.Geteuid() != 0 {
		return command
	}
	command.Args = append([]string{unshare, "--net", "sh", "-c", `ip link set lo up && exec "$@"`, "sh", command.Path}, command.Args[1:]...)
	command.Path = unshare
	command.Env = append(os.Environ(), apart+"=1")
	return command
}

// Carried is how many bytes the loopback of this process's network has
// carried; false when others use it too.
func Carried() (uint64, bool) {
	if os.Getenv(apart) == "" {
		return 0, false
	}
	text, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return 0, false
	}
	return loopback(string(text))
}

// loopback finds the bytes received by lo in /proc/net/dev.
func loopback(text string) (bytes uint64, ok bool) {
	for line := range strings.Lines(text) {
		if n, err := fmt.Sscanf(line, " lo: %d", &bytes); n == 1 && err == nil {
			return bytes, true
		}
	}
	return 0, false
}
