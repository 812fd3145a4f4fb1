package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

// site is a gateway and an S3 server as child processes.
type site struct {
	o               options
	dir             string
	api, s3         string
	gateway, server *exec.Cmd
	deliveries      []delivery
}

// delivery is one of the two that are proven.
type delivery struct{ name, by, stream, prefix string }

const (
	s3Key    = "proof"
	s3Secret = "proof-of-the-firehose"
	bucket   = "lake"
)

func newSite(dir string, o options) (*site, error) {
	s := &site{o: o, dir: dir, deliveries: []delivery{
		{"direct", "DirectPut, Firehose API", "_firehose.direct", "direct"},
		{"archive", "headgate delivery, Kinesis API", "telemetry", "archive"},
	}}
	for _, at := range []*string{&s.api, &s.s3} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*at = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	config := fmt.Sprintf(`data: %s
api: %s
mqtt: "off"
console: "off"
open: true
limits: "off"
log: {level: error, format: text}
aws: {endpoint: "http://%s", path_style: true, access_key: {env: PROOF_KEY}, secret_key: {env: PROOF_SECRET}}
`, s.path("data"), s.api, s.s3)
	return s, os.WriteFile(s.path("config.yaml"), []byte(config), 0o600)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// begin starts the S3 server and the gateway, and makes the two deliveries.
func (s *site) begin(ctx context.Context) error {
	for _, folder := range []string{filepath.Join(s.path("buckets"), bucket), s.path("meta")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := s.startServer(); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	role := aws.String("arn:aws:iam::000000000000:role/proof")
	_, err := s.firehose().CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("direct"),
		ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
			BucketARN: aws.String("arn:aws:s3:::" + bucket), RoleARN: role, Prefix: aws.String("direct/"), CompressionFormat: types.CompressionFormatGzip,
			BufferingHints: &types.BufferingHints{IntervalInSeconds: aws.Int32(1), SizeInMBs: aws.Int32(1)},
		}})
	if err != nil {
		return err
	}
	archive := fmt.Sprintf("{name: archive, stream: telemetry, interval: 1s, size: 1MiB, delimiter: raw, prefix: archive/, s3: {bucket: %s}}", bucket)
	if err := os.WriteFile(s.path("archive.yaml"), []byte(archive), 0o600); err != nil {
		return err
	}
	_, err = s.run(ctx, "delivery", "create", "-f", s.path("archive.yaml"))
	return err
}

func (s *site) firehose() *firehose.Client {
	return firehose.New(firehose.Options{BaseEndpoint: aws.String("http://" + s.api), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("any", "thing", ""), RetryMaxAttempts: 1})
}

// versitygw is where the S3 server lies when it has been built.
func versitygw() string {
	if dir := os.Getenv("HEADGATE_PEERS"); dir != "" {
		return filepath.Join(dir, "versitygw")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "versitygw"
	}
	return filepath.Join(home, ".cache", "headgate", "peers", "versitygw")
}

func (s *site) startServer() error {
	s.server = exec.Command(versitygw(), "--port", s.s3, "--region", "us-east-1", "--quiet", "posix", "--sidecar", s.path("meta"), s.path("buckets"))
	s.server.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s3Key, "ROOT_SECRET_KEY="+s3Secret)
	if err := s.server.Start(); err != nil {
		return fmt.Errorf("start versitygw: %w", err)
	}
	return nil
}

// start starts the gateway and waits until it takes records.
func (s *site) start(ctx context.Context) error {
	s.gateway = exec.Command(s.o.headgate, "serve", "--config", s.path("config.yaml"))
	s.gateway.Env = append(os.Environ(), "PROOF_KEY="+s3Key, "PROOF_SECRET="+s3Secret)
	s.gateway.Stderr = os.Stderr
	if err := s.gateway.Start(); err != nil {
		return fmt.Errorf("start headgate: %w", err)
	}
	_, err := s.run(ctx, "status", "--wait", "30s")
	return err
}

// kill ends a process as a power cut does: without a word.
func kill(c *exec.Cmd) error {
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill: %w", err)
	}
	_ = c.Wait() // it was killed: that is its error
	return nil
}

func (s *site) stop() {
	for _, c := range []*exec.Cmd{s.gateway, s.server} {
		if c != nil && c.Process != nil {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
}

// run runs a headgate command about the gateway and answers what it printed.
func (s *site) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.o.headgate, append(args, "--data", s.path("data"))...)
	var text bytes.Buffer
	cmd.Stderr = &text
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("headgate %v: %w: %s", args, err, text.String())
	}
	return string(out), nil
}

// caughtUp waits until a delivery has nothing left to deliver.
func (s *site) caughtUp(ctx context.Context, name string) error {
	for late := time.Now().Add(3 * time.Minute); time.Now().Before(late); time.Sleep(100 * time.Millisecond) {
		out, err := s.run(ctx, "delivery", "show", name, "-o", "json")
		if err != nil {
			return err
		}
		var d struct {
			State  string `json:"state"`
			Lag    uint64 `json:"lag_records"`
			Sealed int    `json:"sealed"`
			Sent   uint64 `json:"records"`
		}
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			return err
		}
		if d.State == "running" && d.Lag == 0 && d.Sealed == 0 && d.Sent > 0 {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.New("delivery " + name + " did not catch up in three minutes")
}

func nap(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
