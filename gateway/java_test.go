package gateway_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"headgate/gateway"
)

// java is a command of the Java peers.
func java(ctx context.Context, t *testing.T, class string, args ...string) *exec.Cmd {
	t.Helper()
	dir := filepath.Dir(peer(t, "deploy/peers/java/README.md", "java", "classes"))
	cmd := exec.CommandContext(ctx, "java", append([]string{"-Xmx256m", "-cp", dir + "/lib/*:" + dir + "/classes", class}, args...)...)
	cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y")
	return cmd
}

// TestTheKPLAndTheKCL: the KPL puts aggregates over TLS, and the KCL 3 takes
// every record out of them, by polling and by fan-out, in CBOR and by HTTP/2,
// past a split, with its leases in the gateway's tables.
func TestTheKPLAndTheKCL(t *testing.T) {
	g, _ := start(t, t.TempDir(), func(c *gateway.Config) { c.Open, c.APITLS = true, "127.0.0.1:0" })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	k := kinesis.New(kinesis.Options{BaseEndpoint: aws.String("http://" + g.Addresses().API), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")})
	stream := aws.String("orders")
	if _, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: stream, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(g.Addresses().APITLS)
	if err != nil {
		t.Fatal(err)
	}
	put := func() {
		t.Helper()
		if out, err := java(ctx, t, "Producer", host, port, *stream, "2000", "x", "y").CombinedOutput(); err != nil {
			t.Fatalf("%v: %.2000s", err, out)
		}
	}
	put()
	for name, more := range map[string][]string{"polling": nil, "fan-out": {"--efo"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			consume(t, g, *stream, name, more...)
		})
	}
	if _, err := k.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: stream, ShardToSplit: aws.String("0"), NewStartingHashKey: aws.String("170141183460469231731687303715884105728")}); err != nil {
		t.Fatal(err)
	}
	put()
	// What both tell of themselves is among the metrics: the KPL by the query
	// protocol, the KCL by Smithy's.
	t.Cleanup(func() {
		text := metricsOf(t, g)
		for _, want := range []string{`headgate_client_metric_sum{dimensions="StreamName=orders",name="UserRecordsPut",namespace="KinesisProducerLibrary",unit="Count"} 4000`,
			`name="RecordsProcessed",namespace="polling"`, `name="RecordsProcessed",namespace="fan-out"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not among the metrics", want)
			}
		}
	})
}

// consume reads until each of 2,000 records came twice, once from the parent
// and once from its children.
func consume(t *testing.T, g *gateway.Gateway, stream, app string, more ...string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	worker := java(ctx, t, "Worker", append([]string{"--endpoint", "http://" + g.Addresses().API, "--stream", stream, "--app", app, "--worker", "one", "--metrics", "DETAILED"}, more...)...)
	out, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	parent, children := map[string]bool{}, map[string]bool{}
	for lines := bufio.NewScanner(out); len(parent)+len(children) < 4000 && lines.Scan(); {
		shard, rest, _ := strings.Cut(lines.Text(), " ")
		_, data, _ := strings.Cut(rest, " ")
		if shard == "shardId-000000000000" {
			parent[data] = true
			if len(children) > 0 {
				t.Fatal("a child was read before its parent was")
			}
		} else {
			children[data] = true
		}
	}
	cancel()
	_ = worker.Wait() // it was killed: that is its error
	if len(parent) != 2000 || len(children) != 2000 {
		t.Errorf("%d records of the parent, %d of its children", len(parent), len(children))
	}
}
