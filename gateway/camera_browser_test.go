package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"headgate/firmware-sim/camera"
	"headgate/gateway"
)

// browse runs a script that drives Chromium and reads what it printed.
func browse(t *testing.T, into any, script string, args ...string) {
	t.Helper()
	folder := browsers(t)
	text, err := os.ReadFile(filepath.Join("testdata", script))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // modules are looked for beside the script
	err = errors.Join(os.Symlink(filepath.Join(folder, "node_modules"), filepath.Join(dir, "node_modules")), os.WriteFile(filepath.Join(dir, filepath.Base(script)), text, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", append([]string{filepath.Base(script)}, args...)...)
	node.Dir = dir
	var complaints bytes.Buffer
	node.Stderr = &complaints
	out, err := node.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, complaints.Bytes())
	}
	t.Logf("%s", bytes.TrimSpace(out))
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatal(err)
	}
}

// browsers is the folder of the modules that drive browsers.
func browsers(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("HEADGATE_PEERS")
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		folder = filepath.Join(cache, "headgate", "peers")
	}
	folder = filepath.Join(folder, "browser")
	_, err := os.Stat(filepath.Join(folder, "node_modules"))
	for _, tool := range []string{"node", "chromium"} {
		_, missing := exec.LookPath(tool)
		err = errors.Join(err, missing)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("deploy/test installs it: %v", err)
		}
		t.Skipf("deploy/test installs it: %v", err)
	}
	return folder
}

// seen is what a page's statistics say.
type seen struct {
	Video struct {
		Frames, Packets, Lost, NACKs, Width int
	}
	Audio struct {
		Samples, Packets, Lost, Concealed int
	}
}

// TestABrowserPublishesWatchesAndGoesBack drives the pages in Chromium, by
// HTTPS and with tokens, once for each codec.
func TestABrowserPublishesWatchesAndGoesBack(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) { c.Media, c.HTTPS = "127.0.0.1:0", "127.0.0.1:0" })
	admin := gateway.Dial(filepath.Dir(g.Addresses().Socket))
	for codec, kinds := range map[string][]string{"VP8": {"mkv", "webm"}, "VP9": {"mkv", "webm", "mp4"}, "H264": {"mkv", "mp4"}, "AV1": {"mkv", "webm", "mp4"}, "audio": {"mkv", "webm", "mp4"}} {
		t.Run(codec, func(t *testing.T) {
			tokens, err := admin.AddCamera(t.Context(), gateway.CameraSpec{Name: "by-" + codec})
			if err != nil {
				t.Fatal(err)
			}
			var told struct{ Sent, Live, Replay seen }
			browse(t, &told, "camera/browser.mjs", "https://"+g.Addresses().HTTPS, tokens.Camera, codec, "6", tokens.Publish, tokens.View)
			filmed(t, g)
			if told.Live.Audio.Samples == 0 || told.Replay.Audio.Samples == 0 {
				t.Errorf("no sound: %+v", told)
			}
			if codec != "audio" && (told.Live.Video.Frames == 0 || told.Replay.Video.Frames == 0) {
				t.Errorf("no picture: %+v", told)
			}
			packets := map[string]int{}
			for _, kind := range kinds {
				var clip bytes.Buffer
				if err := admin.Footage(t.Context(), tokens.Camera, "clip."+kind, map[string][]string{"start": {"-2m"}}, &clip); err != nil {
					t.Fatal(err)
				}
				p := probe(t, "clip."+kind, clip.Bytes())
				for c, n := range p.packets {
					if packets[c] == 0 {
						packets[c] = n
					}
					if n != packets[c] {
						t.Errorf("%s: %v, elsewhere %v", kind, p.packets, packets)
					}
				}
			}
			video := 0
			for c, n := range packets {
				if c != "opus" {
					video = n
				}
			}
			if sent := told.Sent.Video.Frames; video < sent || video > sent+sent/4+10 { // some were encoded after the page was asked
				t.Errorf("%d frames recorded, %d had been sent: %v", video, sent, packets)
			}
		})
	}
}

// TestHLSPlays plays what a simulated camera films, live and stored, in hls.js.
func TestHLSPlays(t *testing.T) {
	browsers(t)
	_, base := filming(t, nil)
	cam, err := camera.New(camera.Config{Endpoint: base + "/whip/door", Video: camera.Video{Width: 640, Height: 360}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cam.Run(ctx) }()
	defer func() { stop(); <-done }()
	until(t, 30*time.Second, "20 s of footage", func() (string, bool) {
		_, body := ask(t, base+"/cameras/door/timeline.json")
		var line struct{ Takes []recorded }
		_ = json.Unmarshal(body, &line)
		return string(body), len(line.Takes) > 0 && line.Takes[0].To.Sub(line.Takes[0].From) > 20*time.Second
	})
	from := strconv.FormatInt(timeline(t, base, "door")[0].From.UnixMilli(), 10)
	type shown struct {
		Errors          []string
		Played, Latency float64
		Frames, Width   int
		At              float64
	}
	var told struct{ Live, VOD shown }
	browse(t, &told, "camera/hls.mjs", base, "door", from)
	for name, one := range map[string]shown{"live": told.Live, "stored": told.VOD} {
		if len(one.Errors) > 0 || one.Played < 2 || one.Frames == 0 || one.Width != 640 {
			t.Errorf("%s: %+v", name, one)
		}
	}
}

// TestFromGlassToGlass measures the delay from one page's picture to another's.
func TestFromGlassToGlass(t *testing.T) {
	browsers(t)
	_, base := filming(t, nil)
	var told struct{ Frames, P50, P95 int }
	browse(t, &told, "camera/delay.mjs", base, "clock")
	if told.Frames < 30 {
		t.Errorf("%d frames were seen", told.Frames)
	}
}
