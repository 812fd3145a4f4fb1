package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// node is a gateway on a disk of its own.
type node struct {
	*disk
	name, headgate  string
	api, mqtt, peer string // addresses; peer is "off" for a gateway that is alone
	process         *exec.Cmd
	said            *last
	ready           chan error // gets one word: takes records, or why not
}

func newNode(kind, dir, name string, o options) (*node, error) {
	d, err := newDisk(kind, dir, name)
	if err != nil {
		return nil, err
	}
	n := &node{disk: d, name: name, headgate: o.headgate}
	for _, at := range []*string{&n.api, &n.mqtt, &n.peer} {
		if *at, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	if o.gateways == 1 {
		n.peer = "off"
	}
	return n, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (n *node) data() string { return filepath.Join(n.at, "data") }

// start begins a gateway; ready says when it takes records. With a code it
// joins the site of another.
func (n *node) start(code string) error {
	n.process = exec.Command(n.headgate, "serve", "--data", n.data(), "--api", n.api, "--mqtt", n.mqtt, "--peer", n.peer,
		"--console", "off", "--limits", "off", "--open", "--log-level", "warn")
	if code != "" {
		n.process.Args = append(n.process.Args, "--join", code)
	}
	n.said = &last{}
	n.process.Stderr = n.said
	out, err := n.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := n.process.Start(); err != nil {
		return fmt.Errorf("start headgate: %w", err)
	}
	ready := make(chan error, 2)
	n.ready = ready
	go func() { // ends with the process
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.TrimSpace(lines.Text()) == "ready" {
				ready <- nil
			}
		}
		_, _ = io.Copy(io.Discard, out)
		ready <- errors.New("headgate ended before it was ready")
	}()
	return nil
}

// patience is how long a gateway may take to start.
const patience = 30 * time.Second

func (n *node) await(ctx context.Context) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case err := <-n.ready:
		if err != nil {
			return fmt.Errorf("%w: %s", err, n.said)
		}
		return nil
	case <-late.C:
		return fmt.Errorf("%s was not ready after %v: %s", n.name, patience, n.said)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// freeze stops the process in the middle of whatever it does. Without it an
// fsync can return success while the file system goes down, and the answer to
// it reach a client.
func (n *node) freeze() error {
	if err := n.process.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if frozen(n.process.Process.Pid) {
			return nil
		}
	}
	return nil // threads that wait for the disk stop before they return from it
}

// frozen reports whether no thread of a process runs any more.
func frozen(pid int) bool {
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range all {
		text, e := os.ReadFile(name)
		if at := bytes.LastIndexByte(text, ')'); e == nil && at >= 0 && at+2 < len(text) && !strings.ContainsRune("TtXZ", rune(text[at+2])) {
			return false
		}
	}
	return err == nil
}

// powerCut cuts the power under a running process, which then is gone too.
func (n *node) powerCut() error {
	err := n.cut()
	n.kill()
	return errors.Join(err, n.unmount())
}

func (n *node) kill() {
	if n.process != nil && n.process.ProcessState == nil {
		_ = n.process.Process.Kill()
		_ = n.process.Wait() // it was killed: that is its error
	}
}

// stop ends the process in good order.
func (n *node) stop() error {
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := n.process.Wait(); err != nil {
		return fmt.Errorf("stop: %w: %s", err, n.said)
	}
	return nil
}

// status is what `headgate status` says of a site.
type status struct {
	Site *struct {
		Voters   int
		Rejoined string // who it was before it lost its log, which it must not
		Spool    struct {
			Isolated, Draining bool
			Records            uint64
		}
	}
}

// whole reports whether that many gateways vote and nothing waits for a quorum.
func (s status) whole(gateways int) bool {
	return s.Site != nil && s.Site.Voters == gateways && !s.Site.Spool.Isolated && !s.Site.Spool.Draining && s.Site.Spool.Records == 0
}

// ask runs a command about the gateway.
func (n *node) ask(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, n.headgate, append(args, "--data", n.data())...).Output()
	if err != nil {
		return nil, fmt.Errorf("headgate %s: %w", args[0], err)
	}
	return out, nil
}

// settled waits until the site is whole.
func (n *node) settled(ctx context.Context, gateways int) error {
	var last string
	for late := time.Now().Add(2 * patience); time.Now().Before(late) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		var s status
		out, err := n.ask(ctx, "status", "-o", "json")
		if err == nil {
			last, err = string(out), json.Unmarshal(out, &s)
		}
		switch {
		case err != nil:
		case s.Site != nil && s.Site.Rejoined != "":
			return fmt.Errorf("%s has lost its log: %s", n.name, n.said)
		case s.whole(gateways):
			return nil
		}
	}
	return errors.Join(ctx.Err(), fmt.Errorf("%s: the site is not whole after %v: %s; %s", n.name, 2*patience, last, n.lives()))
}

// verify has the gateway's own command check every block.
func (n *node) verify(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, n.headgate, "verify", "--data", n.data()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("verify: %w: %s", err, out)
	}
	return nil
}

// reader is a client that asks again, as users' do. (The SDK sometimes drops
// a connection of its own under the answer.)
func (n *node) reader() *kinesis.Client {
	return kinesis.New(kinesis.Options{BaseEndpoint: aws.String("http://" + n.api), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("any", "thing", "")})
}

// writer is a client that hands everything in once.
func (n *node) writer() *kinesis.Client {
	o := n.reader().Options()
	o.RetryMaxAttempts = 1
	return kinesis.New(o)
}

// lives says how the process is, for whoever finds that it does not answer.
func (n *node) lives() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.process.Process.Pid))
	if err != nil {
		return "it is gone: " + n.said.String()
	}
	return fmt.Sprintf("it is there (%.60s): %s", text, n.said)
}

// last keeps the end of what was written to it.
type last struct {
	mu   sync.Mutex
	text []byte
}

func (l *last) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-4096):]
	return len(p), nil
}

func (l *last) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
