package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/fleet"
)

// message is a payload's identity.
type message struct {
	device device.ID
	n      uint64
}

// found is what the stream holds.
type found struct {
	records, altered, twice uint64
	messages                map[message]int
}

// read reads the whole stream with the AWS SDK.
func (s *site) read(ctx context.Context) (*found, error) {
	k := kinesis.New(kinesis.Options{BaseEndpoint: aws.String("http://" + s.api), Region: "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("any", "thing", "")})
	stream := aws.String("telemetry")
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: stream})
	if err != nil {
		return nil, err
	}
	f, numbers := &found{messages: map[message]int{}}, map[string]bool{}
	for _, sh := range shards.Shards {
		at, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: stream, ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			return nil, err
		}
		for next, behind := at.ShardIterator, int64(1); next != nil && behind > 0; {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			var throttled *types.ProvisionedThroughputExceededException
			if errors.As(err, &throttled) {
				time.Sleep(200 * time.Millisecond) // a shard gives five reads a second
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, r := range out.Records {
				if numbers[*r.SequenceNumber] {
					f.twice++
				}
				numbers[*r.SequenceNumber] = true
				f.add(r.Data)
			}
			next, behind = out.NextShardIterator, aws.ToInt64(out.MillisBehindLatest)
		}
	}
	return f, nil
}

func (f *found) add(data []byte) {
	f.records++
	id, n, err := device.Identify(data)
	if err != nil || !device.Whole(data) {
		f.altered++
		return
	}
	f.messages[message{id, n}]++
}

// difference is what was acknowledged against what is there.
type difference struct{ missing, repeated uint64 }

func compare(acked *fleet.Acked, f *found) (d difference) {
	for id, a := range acked.Devices {
		for n := uint64(0); n <= a.Numbers.Max(); n++ {
			if !a.Numbers.Has(n) {
				continue
			}
			if f.messages[message{id, n}] == 0 {
				d.missing++
			}
		}
	}
	for _, c := range f.messages {
		d.repeated += uint64(c - 1)
	}
	return d
}

// delivery is what one sink holds, against the stream.
type delivery struct {
	name                               string
	objects, records, missing, doubled int
}

// delivered waits until everything is delivered and counts it.
func (s *site) delivered(ctx context.Context, f *found) ([]delivery, error) {
	if err := s.caughtUp(ctx); err != nil {
		return nil, err
	}
	all := []delivery{{name: "folder"}}
	folders := []string{s.path("delivered")}
	if s.s3 != "" {
		all, folders = append(all, delivery{name: "S3"}), append(folders, filepath.Join(s.path("buckets"), bucket))
	}
	for i := range all {
		seen := map[message]int{}
		if err := all[i].count(folders[i], seen); err != nil {
			return nil, err
		}
		for m, want := range f.messages {
			all[i].missing += max(0, want-seen[m])
			all[i].doubled += max(0, seen[m]-want)
		}
	}
	return all, nil
}

func (s *site) caughtUp(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		text, err := s.metrics(ctx)
		if err != nil {
			return err
		}
		behind, seen := false, 0
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "headgate_delivery_lag_records{") {
				seen++
				behind = behind || !strings.HasSuffix(strings.TrimSpace(line), " 0")
			}
		}
		if seen > 0 && !behind {
			return nil
		}
	}
	return errors.New("the deliveries did not catch up in two minutes")
}

// count adds up the objects below a folder.
func (d *delivery) count(folder string, seen map[message]int) error {
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(path, "/.") {
			return err
		}
		d.objects++
		lines, err := content(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, line := range lines {
			d.records++
			if id, n, err := device.Identify([]byte(line)); err == nil {
				seen[message{id, n}]++
			}
		}
		return nil
	})
}

func content(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader
	if strings.HasSuffix(path, ".zst") {
		z, err := zstd.NewReader(f)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	} else if r, err = gzip.NewReader(f); err != nil {
		return nil, err
	}
	var lines []string
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 2<<20)
	for scan.Scan() {
		lines = append(lines, scan.Text())
	}
	return lines, scan.Err()
}
