package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// process is a headgate that runs.
type process struct {
	cmd       *exec.Cmd
	API       string
	MQTT      string
	Console   string
	Peer      string
	KeyID     string `json:"accessKeyId"`
	SecretKey string `json:"secretAccessKey"`
}

// serve starts the real binary and returns once it takes records.
func serve(t *testing.T, data string, flags ...string) *process {
	t.Helper()
	folder, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "-o", "json", "--data", data,
		"--api", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--console", "127.0.0.1:0", "--log-level", "warn"}
	return begin(t, exec.Command(filepath.Join(folder, "headgate"), append(args, flags...)...))
}

// begin starts `headgate serve -o json` and returns once it takes records.
func begin(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	for p.API == "" && lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), p); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
	}
	if p.API == "" {
		rest, _ := io.ReadAll(out)
		t.Fatalf("headgate ended: %s", rest)
	}
	return p
}

// kill ends the process as a power cut would, as far as it can tell.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // it was killed
	}
}

func (p *process) client(id, secret string, options ...func(*kinesis.Options)) *kinesis.Client {
	return kinesis.New(kinesis.Options{BaseEndpoint: aws.String("http://" + p.API), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")}, options...)
}

// TestAKillLosesNothingAcknowledged puts through the SDK into a real process,
// kills it in the middle, and reads everything back from the next.
func TestAKillLosesNothingAcknowledged(t *testing.T) {
	data := t.TempDir()
	first := serve(t, data)
	k := first.client(first.KeyID, first.SecretKey)
	acknowledged := make(chan string, 100_000)
	ctx, stop := context.WithTimeout(context.Background(), 60*time.Second)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n += 20 {
			var in []types.PutRecordsRequestEntry
			for i := range 20 {
				in = append(in, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint((n + i) % 50)), Data: fmt.Appendf(nil, "record %d", n+i)})
			}
			out, err := k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String("telemetry"), Records: in}, func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
			if err != nil {
				return
			}
			for i, r := range out.Records {
				if r.ErrorCode == nil {
					acknowledged <- string(in[i].Data)
				}
			}
		}
	}()
	var want []string
	for len(want) < 1000 {
		select {
		case data := <-acknowledged:
			want = append(want, data)
		case <-ctx.Done():
			t.Fatalf("%d records were acknowledged", len(want))
		}
	}
	first.kill()
	<-done
	close(acknowledged)
	for data := range acknowledged {
		want = append(want, data)
	}
	second := serve(t, data)
	seen := readAll(t, second.client(first.KeyID, first.SecretKey), "telemetry")
	for _, data := range want {
		if seen[data] == 0 {
			t.Errorf("%s was acknowledged and is lost", data)
		}
	}
	for data, times := range seen {
		if times > 1 {
			t.Errorf("%s is there %d times", data, times)
		}
	}
}

// readAll reads a stream to its end.
func readAll(t *testing.T, k *kinesis.Client, stream string) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, s := range shards.Shards {
		it, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: s.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		for at, behind := it.ShardIterator, int64(1); behind > 0; {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range out.Records {
				seen[string(r.Data)]++
			}
			at, behind = out.NextShardIterator, *out.MillisBehindLatest
		}
	}
	return seen
}
