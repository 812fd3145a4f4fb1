package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/klauspost/compress/gzip"

	"headgate/deploy/prove/internal/account"
)

// read reads a whole stream with an AWS SDK: how often each record is there.
func (s *site) read(ctx context.Context, stream string) (map[string]int, error) {
	k, all := account.Client(s.api), map[string]int{}
	shards, err := k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream})
	if err != nil {
		return nil, err
	}
	for _, sh := range shards.Shards {
		at, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			return nil, err
		}
		for next, behind := at.ShardIterator, int64(1); next != nil && behind > 0; {
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			if err != nil {
				return nil, err
			}
			for _, r := range out.Records {
				all[string(r.Data)]++
			}
			next, behind = out.NextShardIterator, aws.ToInt64(out.MillisBehindLatest)
		}
	}
	return all, nil
}

// found is what the bucket holds below a prefix.
type found struct {
	objects int
	records map[string]int
}

func (s *site) count(prefix string) (found, error) {
	f := found{records: map[string]int{}}
	folder := filepath.Join(s.path("buckets"), bucket, prefix)
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		f.objects++
		if err := f.add(path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
	return f, err
}

func (f *found) add(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	in := bufio.NewReader(z)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF && line == "" {
			return nil
		}
		if err != nil {
			return err
		}
		f.records[line]++
	}
}
