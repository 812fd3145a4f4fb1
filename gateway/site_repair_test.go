package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// TestAPeerMendsWhatRotted spoils blocks of a follower while it is down. Who
// reads there gets every record all the same, and soon nothing is amiss.
func TestAPeerMendsWhatRotted(t *testing.T) {
	t.Parallel()
	s := grown(t, 3)
	_, followers := s.leader()
	rotten := followers[0]
	fill(t, s.kinesis(followers[1]), 24<<20)
	want := s.alike()
	rotten.stop()
	for _, pattern := range []string{"*.blob", "*.sst"} {
		files, err := filepath.Glob(filepath.Join(rotten.data, "pebble", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		spoil(t, files[0])
	}
	rotten.start()
	got := contents(t, s.kinesis(rotten))
	if !maps.EqualFunc(want, got, slices.Equal) {
		t.Errorf("%d records of %d were read", count(got), count(want))
	}
	until(t, 20*time.Second, "everything is whole", func() (string, bool) {
		out, code := rotten.headgate("verify")
		return out, code == 0
	})
	s.settled(3)
	if out := rotten.does("gaps"); len(rotten.status().Warnings) > 0 {
		t.Errorf("%v\n%s", rotten.status().Warnings, out)
	}
}

// fill stores about so many bytes that do not compress.
func fill(t *testing.T, k *kinesis.Client, bytes int) {
	t.Helper()
	const size, batch = 8 << 10, 100
	for n := 0; n < bytes; {
		var in []types.PutRecordsRequestEntry
		for range batch {
			in = append(in, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(n)), Data: append(fmt.Appendf(nil, "%d ", n), incompressible(size)...)})
			n += size
		}
		out, err := k.PutRecords(context.Background(), &kinesis.PutRecordsInput{StreamName: telemetry, Records: in})
		if err != nil || *out.FailedRecordCount > 0 {
			t.Fatalf("fill: %+v, %v", out, err)
		}
	}
}
