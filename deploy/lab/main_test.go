package lab_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"headgate/deploy/lab"
)

// TestMain is also the lab that crashes, in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("LAB_TEST_CRASH") == "" {
		os.Exit(m.Run())
	}
	if err := stay(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// stay makes a lab with a command on it, says so, and waits to be killed.
func stay() error {
	l, err := lab.New(context.Background(), lab.Config{Hosts: 2})
	if err != nil {
		return err
	}
	cmd := l.Host(1).Command(context.Background(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println(l.Host(1).Namespace(), l.Host(2).Namespace(), cmd.Process.Pid)
	_, err = io.Copy(io.Discard, bufio.NewReader(os.Stdin))
	return err
}

// open makes a lab that the test's end takes down.
func open(t *testing.T, hosts int) *lab.Lab {
	t.Helper()
	if err := lab.Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	l, err := lab.New(t.Context(), lab.Config{Hosts: hosts, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// echo is a UDP socket on a host that answers every packet with itself.
func echo(t *testing.T, h *lab.Host) {
	t.Helper()
	p, err := h.ListenPacket(t.Context(), h.Address()+":7")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buffer := make([]byte, 2000); ; {
			n, from, err := p.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = p.WriteTo(buffer[:n], from)
		}
	}()
	t.Cleanup(func() { p.Close(); <-ended })
}

// ping sends packets one by one and answers how long each took; 0 for those
// that did not come back within patience.
func ping(t *testing.T, from, to *lab.Host, packets int, patience time.Duration) []time.Duration {
	t.Helper()
	c, err := from.Dial(t.Context(), "udp", to.Name()+":7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	took := make([]time.Duration, packets)
	for i := range took {
		began := time.Now()
		if _, err := fmt.Fprintf(c, "%d", i); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(began.Add(patience)); err != nil {
			t.Fatal(err)
		}
		if came(c, i) {
			took[i] = time.Since(began)
		}
	}
	return took
}

// came reads until the answer to packet i is there.
func came(c io.Reader, i int) bool {
	for buffer := make([]byte, 100); ; {
		n, err := c.Read(buffer)
		if err != nil {
			return false
		}
		if string(buffer[:n]) == fmt.Sprint(i) {
			return true
		}
	}
}

func back(took []time.Duration) (n int) {
	for _, d := range took {
		if d > 0 {
			n++
		}
	}
	return n
}
