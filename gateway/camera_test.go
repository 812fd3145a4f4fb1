package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/firmware-sim/camera"
	"headgate/gateway"
	"headgate/ingest/chunk"
)

// filming is a gateway for cameras that asks nobody.
func filming(t *testing.T, change func(*gateway.Config)) (g *gateway.Gateway, base string) {
	t.Helper()
	g, _ = start(t, t.TempDir(), func(c *gateway.Config) {
		c.Open, c.Media = true, "127.0.0.1:0"
		if change != nil {
			change(c)
		}
	})
	return g, "http://" + g.Addresses().Console
}

// film runs a simulated camera for a while.
func film(t *testing.T, c camera.Config, long time.Duration) *camera.Camera {
	t.Helper()
	cam, err := camera.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), long)
	defer stop()
	if err := cam.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return cam
}

// filmed waits until all that was filmed is in the log.
func filmed(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	until(t, 20*time.Second, "footage is stored", func() (string, bool) {
		for _, c := range g.Status().Cameras {
			if c.Waiting > 0 || c.Live {
				return fmt.Sprintf("%+v", c), false
			}
		}
		return "", true
	})
}

// fetch gets what must be there.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %.200s", url, answer.Status, err, body)
	}
	return body
}

// raw is what a plain Kinesis consumer gets of a camera: the data of its
// records, one behind the other.
func raw(t *testing.T, k *kinesis.Client, stream string) []byte {
	t.Helper()
	shards, err := k.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &stream})
	if err != nil || len(shards.Shards) != 1 {
		t.Fatalf("%v, %v", shards, err)
	}
	it, err := k.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: shards.Shards[0].ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for at := it.ShardIterator; ; {
		out, err := k.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: at})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Records {
			all = append(all, r.Data...)
		}
		if len(out.Records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0 {
			return all
		}
		at = out.NextShardIterator
	}
}

// ffmpeg finds a tool of ffmpeg's.
func ffmpeg(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: apt-get install ffmpeg", err)
		}
		t.Skipf("%v: apt-get install ffmpeg", err)
	}
	return path
}

// probed is what ffprobe says of a file.
type probed struct {
	packets  map[string]int // by codec
	duration time.Duration
}

// probe lets ffprobe count a file's packets and ffmpeg decode it, without a
// complaint.
func probe(t *testing.T, name string, content []byte) probed {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ffmpeg(t, "ffprobe"), "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets:format=duration", "-of", "json", path).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", name, err)
	}
	var seen struct {
		Streams []struct {
			Codec   string `json:"codec_name"`
			Packets string `json:"nb_read_packets"`
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatal(err)
	}
	p := probed{packets: map[string]int{}}
	for _, s := range seen.Streams {
		p.packets[s.Codec], _ = strconv.Atoi(s.Packets)
	}
	seconds, _ := strconv.ParseFloat(seen.Format.Duration, 64)
	p.duration = time.Duration(seconds * float64(time.Second))
	decode := exec.Command(ffmpeg(t, "ffmpeg"), "-v", "error", "-i", path, "-map", "0:v?", "-map", "0:a?", "-vsync", "passthrough", "-f", "null", "-")
	complaints, err := decode.CombinedOutput()
	for line := range strings.Lines(string(complaints)) {
		// The sink that throws away counts in frames of a constant rate; and a
		// dump has a header at each key frame, of which one would do.
		if !strings.Contains(line, "non monotonically increasing dts to muxer") && !strings.Contains(line, "Last message repeated") && !strings.Contains(line, "unknown-length element with ID 0x18538067") {
			t.Errorf("ffmpeg on %s: %s", name, line)
		}
	}
	if err != nil {
		t.Errorf("ffmpeg on %s: %v", name, err)
	}
	return p
}

// span is what the timeline says of one take.
type recorded struct {
	From, To time.Time
	After    string
	Unsynced bool
}

func timeline(t *testing.T, base, name string) []recorded {
	t.Helper()
	var answer struct{ Takes []recorded }
	if err := json.Unmarshal(fetch(t, base+"/cameras/"+name+"/timeline.json"), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Takes
}

// TestACamerasWholeWay publishes by WHIP and gets every frame out again: as a
// plain Kinesis consumer, and as clips of each kind.
func TestACamerasWholeWay(t *testing.T) {
	t.Parallel()
	g, base := filming(t, nil)
	cam := film(t, camera.Config{Endpoint: base + "/whip/door", Video: camera.Video{Width: 640, Height: 360, BitsPerSecond: 2_000_000}, Audio: camera.PCMU}, 6*time.Second)
	filmed(t, g)
	sent := len(cam.Ledger())
	k := client(g, "x", "y")
	dump := probe(t, "dump.mkv", raw(t, k, "door"))
	spans := timeline(t, base, "door")
	if len(spans) != 1 || spans[0].After != "first" || spans[0].Unsynced {
		t.Errorf("timeline: %+v", spans)
	}
	length := spans[0].To.Sub(spans[0].From)
	if dump.packets["h264"] < sent-3 || dump.packets["h264"] > sent { // the last ones may be under way when it stops
		t.Errorf("%d frames of %d are in the log", dump.packets["h264"], sent)
	}
	for _, kind := range []string{"mkv", "mp4"} {
		clip := probe(t, "clip."+kind, fetch(t, base+"/cameras/door/clip."+kind))
		sound := map[string]string{"mkv": "pcm_mulaw", "mp4": "pcm_s16be"}[kind]
		if clip.packets["h264"] != dump.packets["h264"] || clip.packets[sound] == 0 && kind == "mkv" {
			t.Errorf("%s: %v, of %v", kind, clip.packets, dump.packets)
		}
		if d := clip.duration - length; d < -100*time.Millisecond || d > 100*time.Millisecond {
			t.Errorf("%s lasts %v, its footage %v", kind, clip.duration, length)
		}
	}
	var manifest struct {
		Bytes  int
		SHA256 string
		Frames map[string]int
	}
	if err := json.Unmarshal(fetch(t, base+"/cameras/door/clip.json"), &manifest); err != nil || manifest.Frames["video"] != dump.packets["h264"] || len(manifest.SHA256) != 64 {
		t.Errorf("manifest %+v, %v", manifest, err)
	}
	for path, want := range map[string]int{
		"clip.webm": http.StatusBadRequest, "still.jpg": http.StatusBadRequest, "clip.mkv?start=tomorrow": http.StatusBadRequest,
		"clip.mkv?start=2030-01-01T00:00:00Z&end=2030-01-01T00:01:00Z": http.StatusNotFound, "clip.mp4?start=-100h": http.StatusRequestEntityTooLarge,
	} {
		answer, err := http.Get(base + "/cameras/door/" + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, answer.Status, want)
		}
	}
}

// TestClipsAnswerRanges: players seek by asking for ranges.
func TestClipsAnswerRanges(t *testing.T) {
	t.Parallel()
	g, base := filming(t, nil)
	film(t, camera.Config{Endpoint: base + "/whip/door", Video: camera.Video{Width: 320, Height: 180}}, 4*time.Second)
	filmed(t, g)
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	for _, kind := range []string{"mkv", "mp4"} {
		url := base + "/cameras/door/clip." + kind + "?end=" + now
		whole := fetch(t, url)
		for _, from := range []int{0, 1, len(whole) / 3, len(whole) - 10} {
			request, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+5000))
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			part, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if want := whole[from:min(len(whole), from+5001)]; err != nil || answer.StatusCode != http.StatusPartialContent || !bytes.Equal(part, want) {
				t.Errorf("%s from %d: %s, %d bytes, %v", kind, from, answer.Status, len(part), err)
			}
		}
	}
}

// TestSoundAndPictureStayTogether measures how far the beep of a second is
// from its flash in what was recorded.
func TestSoundAndPictureStayTogether(t *testing.T) {
	t.Parallel()
	g, base := filming(t, nil)
	film(t, camera.Config{Endpoint: base + "/whip/door", Video: camera.Video{Width: 320, Height: 192}, Audio: camera.PCMU}, 8*time.Second)
	filmed(t, g)
	var beeps []int64
	loudest := int64(0) // when it was loud last
	cut(t, raw(t, client(g, "x", "y"), "door"), func(p chunk.Part) {
		for _, f := range p.Frames {
			if f.Track != chunk.AudioTrack {
				continue
			}
			for i, b := range f.Data {
				if at := f.At + int64(i)/8; b|0x80 < 0xe0 { // µ-law: silence is 0xff or 0x7f
					if at-loudest > 500 {
						beeps = append(beeps, at)
					}
					loudest = at
				}
			}
		}
	})
	flashes := flashesOf(t, fetch(t, base+"/cameras/door/clip.mkv"))
	origin := timeline(t, base, "door")[0].From.UnixMilli()
	worst, pairs := int64(0), 0
	for _, flash := range flashes {
		for _, beep := range beeps {
			if d := origin + flash - beep; d > -500 && d < 500 {
				pairs++
				worst = max(worst, d, -d)
			}
		}
	}
	t.Logf("%d flashes, %d beeps, at most %d ms apart", len(flashes), len(beeps), worst)
	if pairs < 4 || worst > 40 {
		t.Errorf("%d pairs, %d ms apart", pairs, worst)
	}
}

// cut hands out the parts of a dump.
func cut(t *testing.T, dump []byte, f func(chunk.Part)) {
	t.Helper()
	mark := []byte{0x12, 0x54, 0xc3, 0x67} // Tags: in front of each cluster
	for _, piece := range bytes.Split(dump, mark)[1:] {
		if i := bytes.Index(piece, []byte{0x1a, 0x45, 0xdf, 0xa3}); i > 0 {
			piece = piece[:i] // the header of the next part
		}
		p, _, err := chunk.Open(append(bytes.Clone(mark), piece...))
		if err != nil {
			t.Fatal(err)
		}
		f(p)
	}
}

// flashesOf are when a clip's picture begins to flash, in milliseconds of the
// clip, as ffmpeg decodes it.
func flashesOf(t *testing.T, clip []byte) []int64 {
	t.Helper()
	const width, height = 320, 192
	path := filepath.Join(t.TempDir(), "clip.mkv")
	if err := os.WriteFile(path, clip, 0o600); err != nil {
		t.Fatal(err)
	}
	times, err := exec.Command(ffmpeg(t, "ffprobe"), "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := exec.Command(ffmpeg(t, "ffmpeg"), "-v", "error", "-i", path, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	var flashes []int64
	was := true
	for i, text := range regexp.MustCompile(`[0-9.]+`).FindAllString(string(times), -1) {
		if (i+1)*width*height > len(pictures) {
			break
		}
		seconds, _ := strconv.ParseFloat(text, 64)
		flash := camera.ReadFlash(pictures[i*width*height:], width, width)
		if flash && !was {
			flashes = append(flashes, int64(seconds*1000))
		}
		was = flash
	}
	return flashes
}

// TestAChangeOfSizePlaysThrough changes the picture's size twice in a session.
func TestAChangeOfSizePlaysThrough(t *testing.T) {
	t.Parallel()
	g, base := filming(t, nil)
	cam := film(t, camera.Config{Endpoint: base + "/whip/door", Video: camera.Video{Width: 320, Height: 180}, Script: []camera.Step{
		{After: 2 * time.Second, Width: 640, Height: 360}, {After: 2 * time.Second, Width: 480, Height: 270},
	}}, 7*time.Second)
	filmed(t, g)
	sent := len(cam.Ledger())
	for _, kind := range []string{"mkv", "mp4"} {
		if clip := probe(t, "clip."+kind, fetch(t, base+"/cameras/door/clip."+kind)); clip.packets["h264"] < sent-3 {
			t.Errorf("%s: %v of %d frames", kind, clip.packets, sent)
		}
	}
	if spans := timeline(t, base, "door"); len(spans) != 1 {
		t.Errorf("%+v", spans)
	}
}

// TestTelemetryGoesWithAClip puts records while a camera films.
func TestTelemetryGoesWithAClip(t *testing.T) {
	t.Parallel()
	g, base := filming(t, nil)
	k := client(g, "x", "y")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				done <- n
				return
			case <-tick.C:
			}
			if _, err := k.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("telemetry"), PartitionKey: aws.String("s" + strconv.Itoa(n%2)), Data: fmt.Appendf(nil, `{"n":%d}`, n)}); err != nil {
				t.Error(err)
			}
		}
	}()
	film(t, camera.Config{Endpoint: base + "/whip/door", Video: camera.Video{Width: 320, Height: 180}}, 5*time.Second)
	stop()
	put := <-done
	filmed(t, g)
	span := timeline(t, base, "door")[0]
	query := "?telemetry=telemetry&start=" + strconv.FormatInt(span.From.UnixMilli(), 10)
	csv := strings.Split(strings.TrimSpace(string(fetch(t, base+"/cameras/door/clip.csv"+query))), "\n")
	if n := len(csv) - 1; n < 5 || n > put {
		t.Errorf("%d rows of %d records", n, put)
	}
	if clip := probe(t, "clip.mkv", fetch(t, base+"/cameras/door/clip.mkv"+query)); clip.packets["subrip"] != len(csv)-1 {
		t.Errorf("%v, and %d rows", clip.packets, len(csv)-1)
	}
	vtt := string(fetch(t, base+"/cameras/door/clip.vtt"+query+"&key=s1"))
	if !strings.HasPrefix(vtt, "WEBVTT\n") || strings.Contains(vtt, "s0 ") || strings.Count(vtt, " --> ") < 2 {
		t.Errorf("%s", vtt)
	}
}

// ask gets whatever is answered.
func ask(t *testing.T, url string) (int, []byte) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, body
}

// watch lets somebody watch for a while.
func watch(t *testing.T, v *camera.Viewer, long time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), long)
	defer stop()
	if err := v.Run(ctx); err != nil {
		t.Fatal(err)
	}
}
