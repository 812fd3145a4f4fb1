package lab_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"headgate/deploy/lab"
)

const patience = 2 * time.Second

func TestDelay(t *testing.T) {
	l := open(t, 2)
	echo(t, l.Host(2))
	bare := ping(t, l.Host(1), l.Host(2), 20, patience)
	l.Set(1, 2, func(s *lab.Settings) { s.Delay = 40 * time.Millisecond })
	l.Set(2, 1, func(s *lab.Settings) { s.Delay = 10 * time.Millisecond })
	slow := ping(t, l.Host(1), l.Host(2), 10, patience)
	slices.Sort(bare)
	slices.Sort(slow)
	t.Logf("round trip: %v without delay, %v with 40 ms there and 10 ms back", bare[len(bare)/2], slow[len(slow)/2])
	if back(bare) < 20 || back(slow) < 10 {
		t.Fatalf("%d of 20 and %d of 10 packets came back", back(bare), back(slow))
	}
	if slow[0] < 50*time.Millisecond {
		t.Errorf("a round trip of %v, want 50 ms or more", slow[0])
	}
}

func TestLoss(t *testing.T) {
	l := open(t, 2)
	echo(t, l.Host(2))
	l.Set(1, 2, func(s *lab.Settings) { s.Loss = 0.3 })
	c, err := l.Host(1).Dial(t.Context(), "udp", "h2:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	seen := func() uint64 { s := l.Stats(1, 2); return s.Packets + s.Lost }
	for sent := 0; seen() < 2000 && sent < 1_000_000; sent++ { // the host's own queue drops some
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	s := l.Stats(1, 2)
	share := float64(s.Lost) / float64(s.Lost+s.Packets)
	t.Logf("lost %d of %d packets: %.3f", s.Lost, s.Lost+s.Packets, share)
	if share < 0.25 || share > 0.35 {
		t.Errorf("the link lost %.3f, want about 0.3", share)
	}
}

func TestOneWayPartition(t *testing.T) {
	l := open(t, 3)
	from1, err := l.Host(2).ListenPacket(t.Context(), "10.77.0.2:9")
	if err != nil {
		t.Fatal(err)
	}
	defer from1.Close()
	echo(t, l.Host(2))
	echo(t, l.Host(3))
	l.Cut(2, 1)
	c, err := l.Host(1).Dial(t.Context(), "udp", "h2:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("there")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 10)
	if err := from1.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := from1.ReadFrom(buffer); err != nil || string(buffer[:n]) != "there" {
		t.Errorf("1 does not reach 2: %q, %v", buffer[:n], err)
	}
	if n := back(ping(t, l.Host(1), l.Host(2), 2, 100*time.Millisecond)); n > 0 {
		t.Errorf("%d packets came from 2 to 1 over the cut", n)
	}
	if n := back(ping(t, l.Host(1), l.Host(3), 2, patience)); n < 2 {
		t.Errorf("%d of 2 packets came back from host 3, which nothing cuts off", n)
	}
	l.Isolate(3)
	if n := back(ping(t, l.Host(1), l.Host(3), 2, 100*time.Millisecond)); n > 0 {
		t.Errorf("%d packets came from an isolated host", n)
	}
	l.Heal()
	for _, to := range []int{2, 3} {
		if n := back(ping(t, l.Host(1), l.Host(to), 2, patience)); n < 2 {
			t.Errorf("%d of 2 packets came back from host %d after Heal", n, to)
		}
	}
}

// throughput sends bytes over TCP from host 1 to host 2 and answers bytes a
// second.
func throughput(t *testing.T, l *lab.Lab, bytes int64) float64 {
	t.Helper()
	server, err := l.Host(2).Listen(t.Context(), "10.77.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	type got struct {
		n   int64
		err error
	}
	done := make(chan got)
	go func() {
		c, err := server.Accept()
		if err != nil {
			done <- got{0, err}
			return
		}
		defer c.Close()
		n, err := io.Copy(io.Discard, c)
		done <- got{n, err}
	}()
	c, err := l.Host(1).Dial(t.Context(), "tcp", "h2:80")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := send(c, bytes); err != nil {
		t.Fatal(err)
	}
	g := <-done
	if g.n != bytes || g.err != nil {
		t.Fatalf("%d of %d bytes came, %v", g.n, bytes, g.err)
	}
	return float64(bytes) / time.Since(began).Seconds()
}

func send(c net.Conn, bytes int64) error {
	defer c.Close()
	for block := make([]byte, 1<<16); bytes > 0; bytes -= int64(len(block)) {
		if _, err := c.Write(block[:min(bytes, int64(len(block)))]); err != nil {
			return err
		}
	}
	return nil
}

func TestThroughput(t *testing.T) {
	l := open(t, 2)
	free := throughput(t, l, 128<<20)
	if s := l.Stats(1, 2); s.Bytes < 128<<20 {
		t.Errorf("the link carried %d bytes of them", s.Bytes)
	}
	const rate = 500_000
	l.Set(1, 2, func(s *lab.Settings) { s.Rate = rate })
	capped := throughput(t, l, 1<<20)
	t.Logf("TCP: %.1f MB/s without a cap, %.3f MB/s at a cap of 0.5 MB/s", free/1e6, capped/1e6)
	if capped > rate || capped < rate/2 {
		t.Errorf("%.0f bytes a second at a cap of %d", capped, rate)
	}
}

func TestCommandIsTheProgramItself(t *testing.T) {
	l := open(t, 2)
	out, err := l.Host(2).Command(t.Context(), "cat", "/proc/net/fib_trie").Output()
	if err != nil || !bytes.Contains(out, []byte(l.Host(2).Address())) {
		t.Errorf("host 2 does not know its address: %v, %s", err, out)
	}
	cmd := l.Host(1).Command(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	status := func(want string) func() bool {
		return func() bool { return strings.Contains(procStatus(cmd.Process.Pid), want) }
	}
	until(t, "sleep runs", status("Name:\tsleep"))
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "it stands still", status("State:\tT"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("sleep ended with %v when the lab was closed", err)
	}
	if _, err := os.Stat("/run/netns/" + l.Host(1).Namespace()); !os.IsNotExist(err) {
		t.Errorf("the namespace is still there: %v", err)
	}
}

func TestACrashedLabIsRemoved(t *testing.T) {
	living := open(t, 1)
	crash := exec.CommandContext(t.Context(), os.Args[0])
	crash.Env = append(os.Environ(), "LAB_TEST_CRASH=yes")
	in, err := crash.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := crash.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := crash.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	said := strings.Fields(string(line[:n]))
	if err != nil || len(said) != 3 {
		t.Fatalf("the other lab said %q, %v", line[:n], err)
	}
	if err := errorsOf(crash.Process.Kill(), crash.Wait()); err != nil {
		t.Fatal(err)
	}
	if err := lab.RemoveStale(); err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(said[2])
	until(t, "its command is gone", func() bool { return !strings.Contains(procStatus(pid), "Name:\tsleep") })
	for _, name := range said[:2] {
		if _, err := os.Stat("/run/netns/" + name); !os.IsNotExist(err) {
			t.Errorf("namespace %s is still there: %v", name, err)
		}
	}
	if _, err := os.Stat("/run/netns/" + living.Host(1).Namespace()); err != nil {
		t.Errorf("the living lab lost its host: %v", err)
	}
}

// errorsOf answers the first error, but not how a killed process ended.
func errorsOf(kill, wait error) error {
	if kill != nil {
		return kill
	}
	if _, ended := wait.(*exec.ExitError); ended {
		return nil
	}
	return wait
}

func procStatus(pid int) string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return string(b)
}

// until waits, at most 5 s, for what takes other processes a moment.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.After(5*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not within 5 s: %s", what)
		case <-tick.C:
		}
	}
}
