package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"headgate/gateway"
)

// theatre is a gateway that asks for signatures, and clients of Kinesis Video.
type theatre struct {
	*testing.T
	url        string
	console    string
	id, secret string
	folder     string
}

func openTheatre(t *testing.T) *theatre {
	t.Helper()
	th := equip(t)
	th.open(func(c *gateway.Config) { c.Limits = 0 })
	return th
}

// open starts the theatre's gateway.
func (th *theatre) open(change func(*gateway.Config)) {
	th.Helper()
	g, _ := start(th.T, th.TempDir(), change)
	th.console = "http://" + g.Addresses().Console
	th.url, th.id, th.secret = "http://"+g.Addresses().API, g.FirstKey().ID, g.FirstKey().Secret
}

// equip is a theatre without a gateway.
func equip(t *testing.T) *theatre {
	t.Helper()
	lacking := func(what string) {
		t.Helper()
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	for _, tool := range []string{"node", "ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(tool); err != nil {
			lacking("deploy/test installs it: " + tool)
		}
	}
	peers := os.Getenv("HEADGATE_PEERS")
	if peers == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		peers = filepath.Join(cache, "headgate", "peers")
	}
	modules := filepath.Join(peers, "browser", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "@aws-sdk", "client-kinesis-video-archived-media")); err != nil {
		lacking(fmt.Sprintf("deploy/test installs it: %v", err))
	}
	th := &theatre{T: t, folder: t.TempDir()}
	if err := os.Symlink(modules, filepath.Join(th.folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(th.folder, os.DirFS("testdata/video")); err != nil {
		t.Fatal(err)
	}
	return th
}

// run runs a step of the script and reads what it prints.
func (th *theatre) run(step string, args map[string]any, into any) {
	th.Helper()
	text, err := json.Marshal(args)
	if err != nil {
		th.Fatal(err)
	}
	out := th.command("node", filepath.Join(th.folder, "client.mjs"), th.url, th.id, th.secret, th.folder, step, string(text))
	if err := json.Unmarshal(out, into); err != nil {
		th.Fatalf("%v in %s", err, out)
	}
}

// command runs a tool and answers what it prints.
func (th *theatre) command(name string, args ...string) []byte {
	th.Helper()
	ctx, cancel := context.WithTimeout(th.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = th.folder
	var complaints bytes.Buffer
	c.Stderr = &complaints
	out, err := c.Output()
	if err != nil {
		th.Fatalf("%s %v: %v\n%s%s", name, args, err, out, complaints.Bytes())
	}
	return out
}

// film makes so many seconds of Matroska with a key frame every second, a
// cluster for each.
func (th *theatre) film(seconds int, codecs ...string) []byte {
	th.Helper()
	args := []string{"-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=15", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
		"-t", strconv.Itoa(seconds), "-g", "15", "-keyint_min", "15", "-cluster_time_limit", "5000"}
	args = append(args, codecs...)
	return th.command("ffmpeg", append(args, "-f", "matroska", "-live", "1", "-")...)
}

func h264() []string {
	return []string{"-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "scenecut=0:bframes=2", "-pix_fmt", "yuv420p", "-c:a", "aac"}
}

// clusters cuts Matroska in front of each cluster; the first piece is the header.
func clusters(film []byte) [][]byte {
	var all [][]byte
	for {
		i := bytes.Index(film[min(4, len(film)):], []byte{0x1f, 0x43, 0xb6, 0x75})
		if i < 0 {
			return append(all, film)
		}
		all, film = append(all, film[:i+4]), film[i+4:]
	}
}

// ack is one acknowledgement.
type ack struct {
	EventType        string
	FragmentTimecode int64
	FragmentNumber   string
	ErrorId          int
	ErrorCode        string
}

// put is a PutMedia under way.
type put struct {
	th   *theatre
	body *io.PipeWriter
	resp *http.Response
	acks *bufio.Scanner
}

// put begins a PutMedia, signed as producers do, with a body that is not.
func (th *theatre) put(stream string, payload string, header map[string]string) *put {
	th.Helper()
	reader, writer := io.Pipe()
	r, err := http.NewRequestWithContext(th.Context(), http.MethodPost, th.url+"/putMedia", reader)
	if err != nil {
		th.Fatal(err)
	}
	r.Header.Set("x-amzn-stream-name", stream)
	r.Header.Set("x-amzn-fragment-timecode-type", "RELATIVE")
	if payload == "UNSIGNED-PAYLOAD" {
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	who := aws.Credentials{AccessKeyID: th.id, SecretAccessKey: th.secret}
	if err := v4.NewSigner().SignHTTP(th.Context(), who, r, payload, "kinesisvideo", "eu-central-1", time.Now()); err != nil {
		th.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		th.Fatal(err)
	}
	th.Cleanup(func() { writer.Close(); resp.Body.Close() })
	return &put{th, writer, resp, bufio.NewScanner(resp.Body)}
}

func (p *put) send(pieces ...[]byte) {
	p.th.Helper()
	for _, one := range pieces {
		if _, err := p.body.Write(one); err != nil {
			p.th.Fatal(err)
		}
	}
}

// next is the next acknowledgement; one without a type at the end.
func (p *put) next() (a ack) {
	p.th.Helper()
	if !p.acks.Scan() {
		return a
	}
	if err := json.Unmarshal(p.acks.Bytes(), &a); err != nil {
		p.th.Fatalf("%v in %s", err, p.acks.Bytes())
	}
	return a
}

// fragment takes the three acknowledgements of one fragment.
func (p *put) fragment() ack {
	p.th.Helper()
	var got []string
	var a ack
	for range 3 {
		a = p.next()
		got = append(got, a.EventType)
	}
	if !slices.Equal(got, []string{"BUFFERING", "RECEIVED", "PERSISTED"}) {
		p.th.Fatalf("acknowledgements %v, the last %+v", got, a)
	}
	return a
}

// frames counts frames with ffprobe: of video, and of audio.
func (th *theatre) frames(what string) (video, audio int) {
	th.Helper()
	out := th.command("ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_type,nb_read_frames", "-of", "csv=p=0", what)
	for line := range strings.Lines(string(out)) {
		kind, n, _ := strings.Cut(strings.TrimSpace(line), ",")
		count, _ := strconv.Atoi(strings.Trim(n, ","))
		if kind == "video" {
			video = max(video, count)
		} else {
			audio = max(audio, count)
		}
	}
	return video, audio
}

const unsigned = "UNSIGNED-PAYLOAD"

func since(ms int64) map[string]string {
	return map[string]string{"x-amzn-producer-start-timestamp": fmt.Sprintf("%d.%03d", ms/1000, ms%1000)}
}

func TestVideoStreamsAreMadeByTheSDK(t *testing.T) {
	th := openTheatre(t)
	var seen struct {
		ARN, Again, Short, Named, Status, Device, Media, Stale, Less, Unknown, Endpoint, Stranger, Deleted string
		Streams, Prefix                                                                                    []string
		Pages, Before, After                                                                               int
		Age                                                                                                float64
		Tags                                                                                               map[string]string
	}
	th.run("control", map[string]any{"StreamName": "door"}, &seen)
	if !strings.HasPrefix(seen.ARN, "arn:aws:kinesisvideo:eu-central-1:000000000000:stream/door/") || seen.Endpoint != th.url {
		t.Errorf("ARN %s, endpoint %s", seen.ARN, seen.Endpoint)
	}
	if !slices.Equal(seen.Streams, []string{"door", "gate", "yard"}) || seen.Pages != 2 || !slices.Equal(seen.Prefix, []string{"yard"}) {
		t.Errorf("streams %v in %d pages, %v", seen.Streams, seen.Pages, seen.Prefix)
	}
	if seen.Status != "ACTIVE" || seen.Device != "camera-1" || seen.Media != "video/h264" || seen.Before != 48 || seen.After != 72 || seen.Age > 60 {
		t.Errorf("described as %+v", seen)
	}
	if len(seen.Tags) != 1 || seen.Tags["floor"] != "1" {
		t.Errorf("tags %v", seen.Tags)
	}
	for what, c := range map[string][2]string{
		"made again": {seen.Again, "ResourceInUseException | 400"}, "short retention": {seen.Short, "InvalidArgumentException | 400"},
		"bad name": {seen.Named, "InvalidArgumentException | 400"}, "stale version": {seen.Stale, "VersionMismatchException | 400"},
		"less than a day": {seen.Less, "InvalidArgumentException | 400"}, "unknown": {seen.Unknown, "ResourceNotFoundException | 404"},
		"wrong secret": {seen.Stranger, "InvalidSignatureException | 403"}, "deleted": {seen.Deleted, "ResourceNotFoundException | 404"},
	} {
		if !strings.HasPrefix(c[0], c[1]) {
			t.Errorf("%s: %s, want %s", what, c[0], c[1])
		}
	}
}
