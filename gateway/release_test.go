package gateway_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/klauspost/compress/zstd"

	"headgate/gateway"
	"headgate/ingest/mqtt"
	"headgate/shardlog"
	"headgate/shardlog/store"
)

// TestFoldersOfReleasesOpen opens the data folder that each release left
// behind when it was killed (deploy/fixture), reads everything back under its
// own numbers, goes on with it, and finds every record delivered once.
func TestFoldersOfReleasesOpen(t *testing.T) {
	archives, err := filepath.Glob("testdata/release/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no folder of a release: %v", err)
	}
	for _, a := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(a), ".tar.gz"), func(t *testing.T) {
			r := unpack(t, a)
			r.serve(t)
			r.describes(t)
			r.reads(t)
			r.releases(t)
			r.puts(t)
			r.reads(t)
			r.process.kill()
			r.serve(t)
			r.puts(t)
			r.reads(t)
			r.delivers(t)
			r.verifies(t)
			r.remembersTopics(t)
		})
	}
}

// release is the folder of one, and what it must hold by now.
type release struct {
	dir string
	*process
	Key, Revoked struct {
		ID     string `json:"accessKeyId"`
		Secret string `json:"secretAccessKey"`
	}
	Gateway string
	Streams []struct {
		Name, ARN string
		Created   time.Time
		Retention int32 `json:"retention_hours"`
		Shards    []struct{ Shard, From, To, First string }
	}
	Records    []releasedRecord
	Deliveries []struct {
		Name, Stream string
		Lag          uint64 `json:"lag_records"`
	}
	Unreleased struct {
		Client, Topic string
		Packet        uint16
		Payload       []byte
	}
}

// releasedRecord is a record that a release, or this test, was told is stored.
type releasedRecord struct {
	Stream, Shard, Number, Key, SHA256, Topic string
	Arrived                                   time.Time
}

func (r *release) data() string { return filepath.Join(r.dir, "data") }

func unpack(t *testing.T, archive string) *release {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := &release{dir: t.TempDir()}
	for all := tar.NewReader(zip); ; {
		head, err := all.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = extract(r.dir, head, all)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "manifest.json"))
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func extract(dir string, head *tar.Header, from io.Reader) error {
	name := filepath.Join(dir, filepath.FromSlash(head.Name))
	if head.Typeflag == tar.TypeDir {
		return os.MkdirAll(name, 0o755)
	}
	b, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, b, head.FileInfo().Mode().Perm()))
}

// serve runs today's gateway on the folder, with the release's configuration.
func (r *release) serve(t *testing.T) {
	t.Helper()
	folder, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(folder, "headgate"), "serve", "-o", "json", "--config", "headgate.yaml", "--log-level", "warn")
	cmd.Dir = r.dir
	r.process = begin(t, cmd)
	if r.process.KeyID != "" {
		t.Error("a key pair was made though the folder has one")
	}
}

// client asks in the region in which the fixture was made: ARNs name it.
func (r *release) client(id, secret string) *kinesis.Client {
	o := r.process.client(id, secret).Options()
	o.Region = "eu-central-1"
	return kinesis.New(o)
}

func (r *release) good() *kinesis.Client { return r.client(r.Key.ID, r.Key.Secret) }

// describes compares identity, streams and keys with what the release said.
func (r *release) describes(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if s, err := gateway.Dial(r.data()).Status(ctx); err != nil || s.ID != r.Gateway {
		t.Errorf("gateway %q, not %q: %v", s.ID, r.Gateway, err)
	}
	if _, err := r.client(r.Revoked.ID, r.Revoked.Secret).ListStreams(ctx, &kinesis.ListStreamsInput{}); err == nil {
		t.Error("a revoked key pair is good again")
	}
	for _, want := range r.Streams {
		d, err := r.good().DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &want.Name})
		if err != nil {
			t.Error(err)
			continue
		}
		sum := d.StreamDescriptionSummary
		if *sum.StreamARN != want.ARN || !sum.StreamCreationTimestamp.Equal(want.Created) || *sum.RetentionPeriodHours != want.Retention {
			t.Errorf("stream %s is %s of %v, %d hours, not %+v", want.Name, *sum.StreamARN, sum.StreamCreationTimestamp, *sum.RetentionPeriodHours, want)
		}
		shards, err := r.good().ListShards(ctx, &kinesis.ListShardsInput{StreamName: &want.Name})
		if err != nil || len(shards.Shards) != len(want.Shards) {
			t.Errorf("stream %s: %d shards, not %d: %v", want.Name, len(shards.Shards), len(want.Shards), err)
			continue
		}
		for i, s := range shards.Shards {
			w := want.Shards[i]
			if *s.ShardId != w.Shard || *s.HashKeyRange.StartingHashKey != w.From || *s.HashKeyRange.EndingHashKey != w.To || *s.SequenceNumberRange.StartingSequenceNumber != w.First {
				t.Errorf("stream %s has shard %s, not %+v", want.Name, *s.ShardId, w)
			}
		}
	}
}

// reads reads every shard to its end and wants what is there, in order.
func (r *release) reads(t *testing.T) {
	t.Helper()
	want := map[string][]releasedRecord{}
	for _, w := range r.Records {
		want[w.Stream+"/"+w.Shard] = append(want[w.Stream+"/"+w.Shard], w)
	}
	for _, s := range r.Streams {
		for _, sh := range s.Shards {
			name := s.Name + "/" + sh.Shard
			got := r.shard(t, s.Name, sh.Shard)
			if len(got) != len(want[name]) {
				t.Errorf("%s has %d records, not %d", name, len(got), len(want[name]))
				continue
			}
			for i, w := range want[name] {
				g := got[i]
				g.Topic = w.Topic
				if w.Arrived.IsZero() { // put by this test: it was told the number only
					g.Arrived = w.Arrived
				}
				if g != w {
					t.Errorf("%s, record %d is %+v, not %+v", name, i, g, w)
				}
			}
		}
	}
}

func (r *release) shard(t *testing.T, stream, shard string) (all []releasedRecord) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	at, err := r.good().GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	for next, behind := at.ShardIterator, int64(1); behind > 0; {
		out, err := r.good().GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range out.Records {
			all = append(all, releasedRecord{Stream: stream, Shard: shard, Number: *g.SequenceNumber, Key: *g.PartitionKey,
				SHA256: sum(g.Data), Arrived: g.ApproximateArrivalTimestamp.UTC()})
		}
		next, behind = out.NextShardIterator, *out.MillisBehindLatest
	}
	return all
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// releases repeats the QoS 2 message that was cut off: it is known, so it is
// not stored again, and its id can be given back.
func (r *release) releases(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", r.process.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.ClientIdentifier, hello.Keepalive = "MQTT", 4, r.Unreleased.Client, 60
	again := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	again.Dup, again.Qos, again.MessageID = true, 2, r.Unreleased.Packet
	again.TopicName, again.Payload = r.Unreleased.Topic, r.Unreleased.Payload
	release := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	release.MessageID = r.Unreleased.Packet
	for _, step := range []struct {
		send packets.ControlPacket
		want byte
	}{{hello, packets.Connack}, {again, packets.Pubrec}, {release, packets.Pubcomp}} {
		if err := step.send.Write(conn); err != nil {
			t.Fatal(err)
		}
		answer, err := packets.ReadPacket(conn)
		if err != nil || fmt.Sprintf("%T", answer) != fmt.Sprintf("%T", packets.NewControlPacket(step.want)) {
			t.Fatalf("sent %v, got %v: %v", step.send, answer, err)
		}
	}
}

// puts puts some more everywhere.
func (r *release) puts(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, s := range r.Streams {
		for i := range 8 {
			data, key := fmt.Appendf(nil, "later %d: %d", len(r.Records), i), fmt.Sprint("key ", i)
			out, err := r.good().PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &s.Name, PartitionKey: &key, Data: data})
			if err != nil {
				t.Fatal(err)
			}
			r.Records = append(r.Records, releasedRecord{Stream: s.Name, Shard: *out.ShardId, Number: *out.SequenceNumber, Key: key, SHA256: sum(data)})
		}
	}
}

// delivers waits until everything is delivered and wants each record once.
func (r *release) delivers(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for behind := true; behind; <-tick.C {
		s, err := gateway.Dial(r.data()).Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		behind = len(s.Deliveries) != len(r.Deliveries)
		for _, d := range s.Deliveries {
			behind = behind || d.LagRecords > 0
		}
	}
	for _, d := range r.Deliveries {
		seen := map[string]int{}
		delivered(t, filepath.Join(r.dir, "delivered", d.Name), seen)
		want := 0
		for _, w := range r.Records {
			if w.Stream != d.Stream {
				continue
			}
			if want++; seen[w.SHA256] != 1 {
				t.Errorf("%s: record %s is delivered %d times", d.Name, w.Number, seen[w.SHA256])
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d different records are delivered, not %d", d.Name, len(seen), want)
		}
	}
}

// delivered counts the lines of all objects below a folder, by their sum.
func delivered(t *testing.T, folder string, seen map[string]int) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(path, "/.") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var plain io.Reader
		if strings.HasSuffix(path, ".zst") {
			z, err := zstd.NewReader(f)
			if err != nil {
				return err
			}
			defer z.Close()
			plain = z
		} else if plain, err = gzip.NewReader(f); err != nil {
			return err
		}
		lines := bufio.NewScanner(plain)
		for lines.Scan() {
			seen[sum(lines.Bytes())]++
		}
		return lines.Err()
	})
	if err != nil {
		t.Error(err)
	}
}

// verifies has every block checked.
func (r *release) verifies(t *testing.T) {
	t.Helper()
	folder, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(folder, "headgate"), "verify", "--data", r.data()).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("damaged")) {
		t.Errorf("verify: %v: %s", err, out)
	}
}

// remembersTopics reads, from the closed store, what doors keep beside the
// data and no API of the AWS shows.
func (r *release) remembersTopics(t *testing.T) {
	t.Helper()
	r.process.kill()
	s, err := store.Open(r.data(), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	topics, seen := map[string]string{}, 0
	for _, w := range r.Records {
		topics[w.SHA256] = w.Topic
	}
	for _, stream := range s.Streams() {
		for _, sh := range stream.Shards {
			for at := (shardlog.Cursor{}); ; {
				page, err := s.Read(context.Background(), sh.ID, at, shardlog.Budget{Records: 1000, Bytes: 1 << 20})
				if err != nil {
					t.Fatal(err)
				}
				for _, rec := range page.Records {
					if len(rec.Meta) == 0 {
						continue
					}
					seen++
					if m, err := mqtt.DecodeMeta(rec.Meta); err != nil || m.Topic != topics[sum(rec.Data)] {
						t.Errorf("record %d of %v has topic %q, not %q: %v", rec.Seq, sh.ID, m.Topic, topics[sum(rec.Data)], err)
					}
				}
				if at = page.Next; page.Tip || page.End {
					break
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no record has a topic")
	}
}
