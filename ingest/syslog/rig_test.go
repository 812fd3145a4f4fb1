package syslog_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"headgate/ingest/syslog"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// rig is a server over a log in memory.
type rig struct {
	*syslog.Server
	log           *shardlogtest.Memory
	out           *output
	udp, tcp, tls string // addresses
	stop          func() // ends Run and waits for it
}

// output collects log lines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs a server on free loopback ports; change may alter its log and its
// configuration first.
func start(t testing.TB, change func(*rig, *syslog.Config)) *rig {
	t.Helper()
	r := &rig{log: shardlogtest.NewMemory(), out: &output{}}
	cfg := syslog.Config{
		UDP: []string{"127.0.0.1:0"}, TCP: []string{"127.0.0.1:0"}, Writer: r.log, Control: r.log,
		Log: slog.New(slog.NewTextHandler(r.out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(r, &cfg)
	}
	server, err := syslog.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	r.Server = server
	addrs := server.Addrs()
	r.udp, r.tcp = addrs[0].String(), addrs[1].String()
	if len(addrs) > 2 {
		r.tls = addrs[2].String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("run: %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("run does not end")
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// records waits for n records of the stream and answers them, with their
// metadata, shard by shard.
func (r *rig) records(t testing.TB, n int) ([]shardlog.Record, []syslog.Meta) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " records"), func() bool { return len(r.log.Records(syslog.DefaultStream)) >= n })
	all := r.log.Records(syslog.DefaultStream)
	if len(all) != n {
		t.Fatalf("%d records, want %d", len(all), n)
	}
	var metas []syslog.Meta
	for _, rec := range all {
		m, err := syslog.DecodeMeta(rec.Meta)
		if err != nil {
			t.Fatal(err)
		}
		metas = append(metas, m)
	}
	return all, metas
}

// dial opens a connection.
func dial(t testing.TB, network, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// send writes text to a connection.
func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// tool runs a client that is skipped where it is not installed, but not in
// continuous integration.
func tool(t testing.TB, stdin string, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = bytes.NewReader([]byte(stdin))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// port is the port of an address.
func port(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// closed waits until the server has ended the connection.
func closed(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Fatalf("the connection is still open: %v", err)
	}
}

// writer is a Writer made of a function.
type writer func(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error)

func (w writer) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	return w(ctx, name, entries, with...)
}

// inOrder fails when the records of each key are not prefix0, prefix1 … in order.
func inOrder(t testing.TB, all []shardlog.Record, suffix func(i int) string) {
	t.Helper()
	next := map[string]int{}
	for _, rec := range all {
		if want := suffix(next[rec.Key]); !bytes.HasSuffix(rec.Data, []byte(want)) {
			t.Fatalf("key %s: record %q, want it to end in %q", rec.Key, rec.Data, want)
		}
		next[rec.Key]++
	}
}
