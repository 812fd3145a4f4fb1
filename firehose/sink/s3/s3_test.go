package s3_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"headgate/firehose"
	"headgate/firehose/encode"
	"headgate/firehose/sink/s3"
	"headgate/firehose/sinktest"
)

// server is a versitygw with one bucket.
type server struct {
	address, folder string
	key, secret     string
}

const bucket = "records"

// start runs versitygw until the test ends.
func start(t *testing.T) server {
	t.Helper()
	binary := filepath.Join(os.Getenv("HEADGATE_PEERS"), "versitygw")
	if os.Getenv("HEADGATE_PEERS") == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		binary = filepath.Join(cache, "headgate", "peers", "versitygw")
	}
	if _, err := os.Stat(binary); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("versitygw is needed, deploy/test builds it: %v", err)
		}
		t.Skip("versitygw is not built: see deploy/peers/versitygw")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server{address: l.Addr().String(), folder: filepath.Join(t.TempDir(), "data"), key: "test", secret: "test-secret"}
	l.Close()
	meta := t.TempDir()
	if err := os.MkdirAll(filepath.Join(s.folder, bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--port", s.address, "--region", "us-east-1", "--quiet", "posix", "--sidecar", meta, s.folder)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.key, "ROOT_SECRET_KEY="+s.secret)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for {
		if c, err := net.Dial("tcp", s.address); err == nil {
			c.Close()
			return s
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("versitygw does not answer")
		}
	}
}

func (s server) config() s3.Config {
	return s3.Config{Bucket: bucket, Endpoint: "http://" + s.address, PathStyle: true, AccessKey: s.key, SecretKey: s.secret}
}

func (s server) Open(t *testing.T) firehose.Sink {
	t.Helper()
	sink, err := s3.Open(s.config())
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func (s server) Objects(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	root := filepath.Join(s.folder, bucket)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".sgwtmp" {
				return fs.SkipDir // uploads under way
			}
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		all[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestBucket(t *testing.T) { sinktest.Test(t, start(t), encode.New) }

func TestRefusals(t *testing.T) {
	server := start(t)
	for _, c := range []struct {
		says   string
		change func(*s3.Config)
		want   firehose.Class
	}{
		{"a wrong secret", func(c *s3.Config) { c.SecretKey = "wrong" }, firehose.Auth},
		{"no such bucket", func(c *s3.Config) { c.Bucket = "missing" }, firehose.Config},
		{"nobody there", func(c *s3.Config) { c.Endpoint = "http://127.0.0.1:1" }, firehose.Transient},
	} {
		config := server.config()
		c.change(&config)
		sink, err := s3.Open(config)
		if err != nil {
			t.Fatal(err)
		}
		if r := sink.Probe(t.Context()); r.Class != c.want {
			t.Errorf("%s: probe answers %v: %v", c.says, r.Class, r.Err)
		}
	}
}

// swallowing loses the answer of the first put that got through.
type swallowing struct {
	http.RoundTripper
	lost bool
}

func (s *swallowing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPut && !s.lost {
		s.lost = true
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

func TestALostAnswerIsLookedUp(t *testing.T) {
	server := start(t)
	config := server.config()
	config.Client = &http.Client{Transport: &swallowing{RoundTripper: http.DefaultTransport}}
	sink, err := s3.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := encode.New(firehose.Format{Compression: "none", Delimiter: "raw"})
	if err != nil {
		t.Fatal(err)
	}
	b := &firehose.Batch{ID: "id", Object: "lost.txt", Encoder: encoder, Records: empty}
	b.SHA256 = sum(nil)
	if r := sink.Deliver(context.Background(), b); !r.Done() || !r.Already {
		t.Fatalf("%+v", r)
	}
	if got := server.Objects(t)["lost.txt"]; !bytes.Equal(got, nil) {
		t.Fatalf("object %q", got)
	}
}
