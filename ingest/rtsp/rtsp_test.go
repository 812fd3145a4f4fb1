package rtsp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"headgate/ingest/chunk"
	"headgate/ingest/rtsp"
	"headgate/shardlog"
	"headgate/shardlog/shardlogtest"
)

// need finds a program that the tests are about.
func need(t *testing.T, path, why string) string {
	t.Helper()
	found, err := exec.LookPath(path)
	if err != nil {
		missing(t, err, why)
	}
	return found
}

func missing(t *testing.T, err error, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%v: %s", err, why)
	}
	t.Skipf("%v: %s", err, why)
}

// gstreamer runs a camera of GStreamer's on a port, 0 for any.
func gstreamer(t *testing.T, port int, args ...string) (*exec.Cmd, int) {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", `import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import GstRtspServer`).Run(); err != nil {
		missing(t, err, "apt-get install gir1.2-gst-rtsp-server-1.0 and GStreamer's plugins, as deploy/test does")
	}
	cmd := exec.Command("/usr/bin/python3", append([]string{"testdata/camera.py", strconv.Itoa(port)}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the camera does not start: %v", err)
	}
	if _, err := fmt.Sscanf(line, "serving %d", &port); err != nil {
		t.Fatal(err)
	}
	return cmd, port
}

// rig is a camera that is fetched into a log in memory.
type rig struct {
	*rtsp.Camera
	log      *shardlogtest.Memory
	recorder *chunk.Recorder
	footage  *chunk.Footage
	finish   func() // ends the recorder, all stored
}

func newRig(t *testing.T, port int) *rig {
	t.Helper()
	log := shardlogtest.NewMemory()
	if err := log.CreateStream(t.Context(), shardlog.StreamSpec{Name: "yard", Shards: 1, Class: shardlog.Video}); err != nil {
		t.Fatal(err)
	}
	recorder := &chunk.Recorder{Writer: log, Stream: "yard"}
	r := &rig{log: log, recorder: recorder, footage: &chunk.Footage{Reader: log, Catalog: log, Stream: "yard"}, Camera: &rtsp.Camera{
		Name: "yard", URL: fmt.Sprintf("rtsp://127.0.0.1:%d/live", port), Loopback: true, Sink: recorder, Pause: 200 * time.Millisecond}}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- recorder.Run(ctx) }()
	r.finish = sync.OnceFunc(func() { stop(); <-done })
	t.Cleanup(r.finish)
	return r
}

// fetch runs the camera until footage of that length is there.
func (r *rig) fetch(t *testing.T, long time.Duration) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	until(t, "footage", func() bool { return r.length(t) >= long })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(40 * time.Second); !holds(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("no %s", what)
		}
	}
}

// spans are the takes there are.
func (r *rig) spans(t *testing.T) []chunk.Span {
	t.Helper()
	spans, err := r.footage.Timeline(t.Context(), 0, time.Now().Add(time.Hour).UnixMilli(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return spans
}

func (r *rig) length(t *testing.T) (d time.Duration) {
	for _, s := range r.spans(t) {
		d += time.Duration(s.To-s.From) * time.Millisecond
	}
	return d
}

// judge lets ffprobe count what was stored and ffmpeg decode it.
func (r *rig) judge(t *testing.T) map[string]int {
	t.Helper()
	file := filepath.Join(t.TempDir(), "yard.mkv")
	var all []byte
	for _, one := range r.log.Records("yard") {
		all = append(all, one.Data...)
	}
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(need(t, "ffprobe", "apt-get install ffmpeg"), "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "json", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var seen struct {
		Streams []struct {
			Codec   string `json:"codec_name"`
			Packets string `json:"nb_read_packets"`
		}
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, s := range seen.Streams {
		counts[s.Codec], _ = strconv.Atoi(s.Packets)
	}
	complaints, err := exec.Command(need(t, "ffmpeg", "apt-get install ffmpeg"), "-v", "error", "-i", file, "-vsync", "passthrough", "-f", "null", "-").CombinedOutput()
	for line := range strings.Lines(string(complaints)) {
		if !strings.Contains(line, "unknown-length element") && !strings.Contains(line, "non monotonically increasing dts to muxer") && !strings.Contains(line, "Last message repeated") { // a header at each key frame
			t.Errorf("ffmpeg: %s", line)
		}
	}
	if err != nil {
		t.Error(err)
	}
	return counts
}

func TestCameras(t *testing.T) {
	for _, one := range []struct {
		pipeline     string
		udp          bool
		video, audio string
		perSecond    int // packets of sound
	}{
		{"h264", false, "h264", "pcm_alaw", 10}, {"h264", true, "h264", "pcm_alaw", 10}, {"h265", false, "hevc", "opus", 50}, {"vp8", true, "vp8", "aac", 46}, {"sound", false, "", "pcm_mulaw", 10},
	} {
		t.Run(fmt.Sprintf("%s udp=%v", one.pipeline, one.udp), func(t *testing.T) {
			t.Parallel()
			_, port := gstreamer(t, 0, one.pipeline)
			r := newRig(t, port)
			r.UDP = one.udp
			const seconds = 12 // the camera tells its time once in five, a busy machine later
			r.fetch(t, seconds*time.Second)
			r.finish()
			counts, stats := r.judge(t), r.recorder.Stats()
			t.Log(counts, r.Stats(), stats)
			if read := uint64(counts[one.video] + counts[one.audio]); read > stats.Frames || read+10 < stats.Frames || stats.Lost > 0 {
				t.Errorf("ffprobe reads %d frames of %+v", read, stats)
			}
			if one.video != "" && counts[one.video] < seconds*5/6*25 || counts[one.audio] < seconds*5/6*one.perSecond/2 {
				t.Errorf("%v", counts)
			}
			spans := r.spans(t)
			if len(spans) != 1 || spans[0].Unsynced {
				t.Errorf("%+v", spans)
			}
		})
	}
}

func TestACameraThatComesBack(t *testing.T) {
	t.Parallel()
	first, port := gstreamer(t, 0, "h264")
	r := newRig(t, port)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	until(t, "footage", func() bool { return r.length(t) > 2*time.Second })
	_ = first.Process.Kill()
	until(t, "fault", func() bool { return r.Stats().Fault != "" })
	gstreamer(t, port, "h264")
	until(t, "second take", func() bool { s := r.spans(t); return len(s) > 1 && s[len(s)-1].To-s[len(s)-1].From > 2000 })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if s := r.spans(t); len(s) != 2 || s[1].Why != chunk.Left || s[1].From <= s[0].To {
		t.Errorf("%+v", s)
	}
	r.judge(t)
}

func TestACameraThatStalls(t *testing.T) {
	t.Parallel()
	camera, port := gstreamer(t, 0, "sound")
	r := newRig(t, port)
	r.Stall = time.Second
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	until(t, "footage", func() bool { return r.length(t) > time.Second })
	_ = camera.Process.Signal(syscall.SIGSTOP)
	until(t, "fault", func() bool { return strings.Contains(r.Stats().Fault, "nothing comes") })
	_ = camera.Process.Signal(syscall.SIGCONT)
	until(t, "second take", func() bool { return len(r.spans(t)) > 1 })
	stop()
	<-done
	if s := r.spans(t); s[1].Why != chunk.Silent {
		t.Errorf("%+v", s)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	_, port := gstreamer(t, 0, "sound", "viewer", "open sesame")
	r := newRig(t, port)
	r.Username, r.Password = "viewer", func() (string, error) { return "wrong?secret", nil }
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	until(t, "refusal", func() bool { return r.Stats().Fault != "" })
	stop()
	<-done
	if fault := r.Stats().Fault; strings.Contains(fault, "secret") || !strings.Contains(fault, "401") {
		t.Errorf("fault: %s", fault)
	}
	r.Password = func() (string, error) { return "open sesame", nil }
	r.fetch(t, time.Second)
}

func TestAddressesThatAreNoCameras(t *testing.T) {
	for url, want := range map[string]string{
		"rtsp://127.0.0.1:1/x": "no camera's address", "rtsp://169.254.169.254/latest": "no camera's address", "rtsp://0.0.0.0/x": "no camera's address",
		"rtsp://224.0.0.1/x": "no camera's address", "rtsp://[::1]/x": "no camera's address", "rtsp://[fe80::1]/x": "no camera's address", "rtsp://[::ffff:127.0.0.1]/x": "no camera's address",
	} {
		r := newRig(t, 1)
		r.URL, r.Loopback = url, false
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		until(t, "fault", func() bool { return r.Stats().Fault != "" })
		stop()
		<-done
		if fault := r.Stats().Fault; !strings.Contains(fault, want) {
			t.Errorf("%s: %s", url, fault)
		}
	}
	for _, url := range []string{"http://camera/", "file:///etc/passwd", "rtsp://user:pass@camera/", "rtsp://%zz"} {
		r := newRig(t, 1)
		r.URL = url
		if err := r.Run(t.Context()); err == nil || shardlog.KindOf(err) != shardlog.Invalid {
			t.Errorf("%s: %v", url, err)
		}
	}
}
