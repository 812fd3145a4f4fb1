package gateway_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headgate/gateway"
)

// python is a command of the Python peers.
func python(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	dir := filepath.Dir(filepath.Dir(peer(t, "deploy/peers/boto3/README.md", "boto3", "bin", "aws")))
	if name == "python" {
		args = append([]string{filepath.Join(dir, "walk.py")}, args...)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "bin", name), args...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y", "AWS_DEFAULT_REGION=eu-central-1", "AWS_CONFIG_FILE=/dev/null", "AWS_PAGER=")
	return cmd
}

// TestBoto3 walks every operation by HTTP and by HTTPS, SubscribeToShard over
// HTTP/1.1 among them. Channels have the Go SDK's test; queues are not offered.
func TestBoto3(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			data := t.TempDir()
			g, _ := start(t, data, func(c *gateway.Config) { c.Open, c.APITLS = true, "127.0.0.1:0" })
			at := g.Addresses().API
			if scheme == "https" {
				at = g.Addresses().APITLS
			}
			cmd := python(t, "python", scheme+"://"+at, "walked")
			cmd.Env = append(cmd.Env, "AWS_CA_BUNDLE="+gateway.AuthorityFile(data))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var told struct {
				Called, Left, Unknown []string
				Pushed                int
			}
			if err := json.Unmarshal(out, &told); err != nil {
				t.Fatal(err)
			}
			left := slices.DeleteFunc(told.Left, func(name string) bool {
				return strings.Contains(name, "Queue") || strings.Contains(name, "Channel")
			})
			if len(told.Called) < 40 || len(left) > 0 || len(told.Unknown) > 0 || told.Pushed == 0 {
				t.Errorf("%+v", told)
			}
		})
	}
}

// TestTheAWSCLI puts and reads, with an iterator that keeps its quotes, as
// --query gives it.
func TestTheAWSCLI(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) { c.Open = true })
	aws := func(args ...string) string {
		t.Helper()
		cmd := python(t, "aws", append([]string{"--endpoint-url", "http://" + g.Addresses().API, "kinesis"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("aws kinesis %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	aws("create-stream", "--stream-name", "cli", "--shard-count", "1")
	aws("wait", "stream-exists", "--stream-name", "cli")
	aws("put-record", "--stream-name", "cli", "--partition-key", "k", "--data", "hello")
	iterator := aws("get-shard-iterator", "--stream-name", "cli", "--shard-id", "shardId-000000000000", "--shard-iterator-type", "TRIM_HORIZON", "--query", "ShardIterator")
	if !strings.HasPrefix(iterator, `"`) {
		t.Fatalf("the iterator has no quotes: %s", iterator)
	}
	out, err := python(t, "aws", "--endpoint-url", "http://"+g.Addresses().API, "cloudwatch", "put-metric-data", "--namespace", "press", "--metric-name", "Strokes",
		"--dimensions", "Line=7", "--unit", "Count", "--value", "12.5", "--timestamp", "2026-11-27T10:00:00Z").CombinedOutput()
	if err != nil {
		t.Errorf("put-metric-data: %v: %s", err, out)
	}
	if want := `headgate_client_metric_sum{dimensions="Line=7",name="Strokes",namespace="press",unit="Count"} 12.5`; !strings.Contains(metricsOf(t, g), want) {
		t.Errorf("/metrics does not have %s", want)
	}
	if data := aws("get-records", "--shard-iterator", iterator, "--query", "Records[0].Data", "--output", "text"); data != "aGVsbG8=" && data != "hello" {
		t.Errorf("read %q", data)
	}
}
