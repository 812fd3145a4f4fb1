package gateway_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"headgate/firmware-sim/camera"
	"headgate/gateway"
)

// TestACameraIsFetched adds a camera of GStreamer's by RTSP, watches it live
// and cuts a clip.
func TestACameraIsFetched(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/usr/bin/python3", "../ingest/rtsp/testdata/camera.py", "0", "h264", "viewer", "sesame")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	port := 0
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscanf(line, "serving %d", &port); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("GStreamer's RTSP server (deploy/test installs it): %v", err)
		}
		t.Skipf("GStreamer's RTSP server: %v", err)
	}
	g, base := filming(t, nil)
	admin := gateway.Dial(filepath.Dir(g.Addresses().Socket))
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = admin.AddCamera(t.Context(), gateway.CameraSpec{Name: "yard", RTSP: &gateway.RTSPConfig{URL: fmt.Sprintf("rtsp://127.0.0.1:%d/live", port), Username: "viewer", Password: &gateway.Secret{File: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, "the camera plays", func() (string, bool) {
		all, err := admin.Cameras(t.Context())
		return fmt.Sprintf("%+v, %v", all, err), err == nil && len(all) == 1 && all[0].Source == "rtsp" && all[0].Live
	})
	viewer := &camera.Viewer{Endpoint: base + "/whep/yard"}
	watch(t, viewer, 4*time.Second)
	if n := len(viewer.Pictures()); n < 25 {
		t.Errorf("a viewer saw %d pictures", n)
	}
	clip := probe(t, "clip.mp4", fetch(t, base+"/cameras/yard/clip.mp4"))
	if clip.packets["h264"] < 50 {
		t.Errorf("%v", clip.packets)
	}
	if _, err := admin.AddCamera(t.Context(), gateway.CameraSpec{Name: "bad", RTSP: &gateway.RTSPConfig{URL: "http://127.0.0.1/"}}); err == nil {
		t.Error("a camera that is no RTSP was added")
	}
	if err := admin.RemoveCamera(t.Context(), "yard"); err != nil {
		t.Fatal(err)
	}
}
