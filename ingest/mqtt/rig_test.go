package mqtt_test

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

	paho "github.com/eclipse/paho.mqtt.golang"

	"headgate/ingest"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// rig is a server over a log in memory.
type rig struct {
	*mqtt.Server
	log    *shardlogtest.Memory
	writer shardlog.Writer
	out    *output
	stop   func() // ends Run and waits for it
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

// start runs a server on a free loopback port; change may alter its log and
// its configuration first.
func start(t testing.TB, change func(*rig, *mqtt.Config)) *rig {
	t.Helper()
	r := &rig{log: shardlogtest.NewMemory(), out: &output{}}
	r.serve(t, change)
	return r
}

// serve starts a server over the rig's log, which may have records already.
func (r *rig) serve(t testing.TB, change func(*rig, *mqtt.Config)) {
	t.Helper()
	cfg := mqtt.Config{
		Listen: []string{"127.0.0.1:0"}, Control: r.log, States: r.log, Writer: r.log, Reader: r.log, Catalog: r.log,
		Log: slog.New(slog.NewTextHandler(r.out, &slog.HandlerOptions{Level: slog.LevelDebug - 8})),
	}
	if change != nil {
		change(r, &cfg)
	}
	server, err := mqtt.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	r.Server = server
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
}

// routes compiles a table.
func routes(t testing.TB, list ...ingest.Route) *ingest.Routes {
	t.Helper()
	table, err := ingest.NewRoutes(list)
	if err != nil {
		t.Fatal(err)
	}
	return table
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

// records reads a whole stream, shard by shard.
func (r *rig) records(t testing.TB, name shardlog.StreamName) []shardlog.Record {
	t.Helper()
	var all []shardlog.Record
	s, ok := r.log.Stream(name)
	if !ok {
		return nil
	}
	for _, shard := range s.Shards {
		at := shardlog.Cursor{}
		for {
			page, err := r.log.Read(t.Context(), shard.ID, at, shardlog.Budget{Records: 10000, Bytes: 10 << 20})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page.Records...)
			if at = page.Next; page.Tip {
				break
			}
		}
	}
	return all
}

// texts is the data of a stream's records as strings.
func (r *rig) texts(t testing.TB, name shardlog.StreamName) []string {
	t.Helper()
	var all []string
	for _, rec := range r.records(t, name) {
		all = append(all, string(rec.Data))
	}
	return all
}

// device is a paho client, connected.
func (r *rig) device(t testing.TB, id string, change func(*paho.ClientOptions)) paho.Client {
	t.Helper()
	o := paho.NewClientOptions().AddBroker("tcp://" + r.Addr().String()).SetClientID(id).SetAutoReconnect(false)
	o.SetConnectTimeout(10 * time.Second).SetWriteTimeout(10 * time.Second)
	if change != nil {
		change(o)
	}
	c := paho.NewClient(o)
	finish(t, "connect "+id, c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

// finish waits for a paho token.
func finish(t testing.TB, what string, token paho.Token) {
	t.Helper()
	if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatalf("%s: %v", what, token.Error())
	}
}

// tool is one of mosquitto's clients. It is skipped where it is not installed,
// but not in continuous integration.
func tool(t testing.TB, r *rig, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed (Debian: mosquitto-clients)", name)
		}
		t.Skipf("%s is not installed (Debian: mosquitto-clients)", name)
	}
	host, port, err := net.SplitHostPort(r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), path, append([]string{"-h", host, "-p", port}, args...)...)
}

// slow is a Writer that takes its time, like a disk that syncs.
type slow struct {
	shardlog.Writer
	each time.Duration
	puts chan int // gets the entries of each Put if there is room
}

func (s slow) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	timer := time.NewTimer(s.each)
	defer timer.Stop()
	<-timer.C
	select {
	case s.puts <- len(entries):
	default:
	}
	return s.Writer.Put(ctx, name, entries, with...)
}

// writer is a Writer made of a function.
type writer func(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error)

func (w writer) Put(ctx context.Context, name shardlog.StreamName, entries []shardlog.Entry, with ...shardlog.Mutation) ([]shardlog.Result, error) {
	return w(ctx, name, entries, with...)
}

// sameOrder fails when texts is not prefix0, prefix1 … up to n.
func sameOrder(t testing.TB, texts []string, prefix string, n int) {
	t.Helper()
	if len(texts) != n {
		t.Fatalf("%d records, want %d", len(texts), n)
	}
	for i, text := range texts {
		if want := fmt.Sprint(prefix, i); text != want {
			t.Fatalf("record %d is %q, want %q", i, text, want)
		}
	}
}
