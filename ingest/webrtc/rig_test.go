package webrtc_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"headgate/firmware-sim/camera"
	"headgate/ingest"
	"headgate/ingest/chunk"
	"headgate/ingest/webrtc"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// TestMain lets more tests run beside each other than there are processors:
// they wait more than they compute.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	m.Run()
}

// rig is a door over a log in memory, where "door" is a camera and the tokens
// are "p" to publish and "v" to watch.
type rig struct {
	*webrtc.Server
	t      testing.TB
	log    *shardlogtest.Memory
	base   string
	config webrtc.Config
	shut   func() // ends the door
	stop   func() // and what records behind it

	mu        sync.Mutex
	recorders map[shardlog.StreamName]*chunk.Recorder
	running   sync.WaitGroup
}

func newRig(t testing.TB, change func(*webrtc.Config)) *rig {
	t.Helper()
	r := &rig{t: t, log: shardlogtest.NewMemory(), recorders: map[shardlog.StreamName]*chunk.Recorder{}}
	routes, err := ingest.NewRoutes(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := webrtc.Config{
		Address: "127.0.0.1:0", Footage: r.footage, Writer: r.log, Routes: routes, PerSecond: -1,
		Recorder: func(_ context.Context, name shardlog.StreamName) (*chunk.Recorder, error) {
			return r.recorder(ctx, name)
		},
		Authorize: func(q *http.Request, _ shardlog.StreamName, role webrtc.Role) error {
			if q.Header.Get("Authorization") != map[webrtc.Role]string{webrtc.Publish: "Bearer p", webrtc.View: "Bearer v"}[role] {
				return &shardlog.Error{Kind: shardlog.Denied, Op: "use camera"}
			}
			return nil
		},
	}
	if change != nil {
		change(&c)
	}
	r.config = c
	if err := errors.Join(
		r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "door", Shards: 1, Class: shardlog.Video}),
		r.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: ingest.DefaultStream, Shards: 1})); err != nil {
		t.Fatal(err)
	}
	if r.Server, err = webrtc.New(c); err != nil {
		t.Fatal(err)
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	running, end := context.WithCancel(ctx)
	go func() { done <- r.Run(running) }()
	r.shut = sync.OnceFunc(func() {
		end()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		r.shut()
		stop()
		r.running.Wait()
	})
	t.Cleanup(r.stop)
	mux := http.NewServeMux()
	mux.Handle("/", r.Handler())
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) { // for scripts that drive browsers
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><video autoplay muted></video>")
	})
	mux.Handle("GET /modules/", http.StripPrefix("/modules/", http.FileServer(http.Dir(modules()))))
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	r.base = web.URL
	until(t, "running", func() bool { return r.ask(http.MethodGet, "/whip/door", "p", "", "").status == http.StatusNoContent })
	return r
}

func (r *rig) footage(name shardlog.StreamName) *chunk.Footage {
	return &chunk.Footage{Reader: r.log, Catalog: r.log, Stream: name}
}

func (r *rig) recorder(ctx context.Context, name shardlog.StreamName) (*chunk.Recorder, error) {
	if _, ok := r.log.Stream(name); !ok {
		return nil, &shardlog.Error{Kind: shardlog.NotFound, Op: "find camera", Stream: name}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recorders[name] == nil {
		one := &chunk.Recorder{Writer: r.log, Stream: name}
		r.recorders[name] = one
		r.running.Go(func() { _ = one.Run(ctx) })
	}
	return r.recorders[name], nil
}

// answer is what the door said.
type answer struct {
	status int
	header http.Header
	body   string
}

func (r *rig) ask(method, path, token, kind, body string, headers ...string) answer {
	r.t.Helper()
	q, err := http.NewRequestWithContext(context.Background(), method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, string(text)}
}

const (
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"
)

// peer is a client of pion's.
func peer(t testing.TB) *pion.PeerConnection {
	t.Helper()
	settings := pion.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	media := &pion.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	pc, err := pion.NewAPI(pion.WithSettingEngine(settings), pion.WithMediaEngine(media)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	return pc
}

// offering is a client with one picture and one sound that offers.
func offering(t testing.TB, direction pion.RTPTransceiverDirection) (*pion.PeerConnection, string) {
	t.Helper()
	pc := peer(t)
	for _, kind := range []pion.RTPCodecType{pion.RTPCodecTypeVideo, pion.RTPCodecTypeAudio} {
		if _, err := pc.AddTransceiverFromKind(kind, pion.RTPTransceiverInit{Direction: direction}); err != nil {
			t.Fatal(err)
		}
	}
	return pc, offer(t, pc)
}

func offer(t testing.TB, pc *pion.PeerConnection) string {
	t.Helper()
	o, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(o); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return pc.LocalDescription().SDP
}

func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); !holds(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// film runs a simulated camera until the test ends or stop is called.
func (r *rig) film(c camera.Config) (cam *camera.Camera, stop func()) {
	r.t.Helper()
	c.Endpoint, c.Token = r.base+"/whip/door", "p"
	cam, err := camera.New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cam.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return cam, stop
}

// spans are the takes there are.
func (r *rig) spans() []chunk.Span {
	r.t.Helper()
	spans, err := r.footage("door").Timeline(r.t.Context(), 0, time.Now().Add(time.Hour).UnixMilli(), 100)
	if err != nil {
		r.t.Fatal(err)
	}
	return spans
}

// modules is where deploy/test puts what drives browsers.
func modules() string {
	folder := os.Getenv("HEADGATE_PEERS")
	if folder == "" {
		cache, _ := os.UserCacheDir() // without one nothing is found
		folder = filepath.Join(cache, "headgate", "peers")
	}
	return filepath.Join(folder, "browser", "node_modules")
}

// need finds a program that a test is about.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, err)
	}
	return path
}

func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("deploy/test installs it: %v", err)
	}
	t.Skipf("deploy/test installs it: %v", err)
}
