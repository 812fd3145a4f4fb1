package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway"
)

// TestAPeerMendsWhatRotted spoils blocks of a follower while it is down. Who
// reads there gets every record all the same, and soon nothing is amiss. Of
// another follower it spoils the table of keys, which nothing can be put into:
// that one ends, and begins anew when it is started again.
func TestAPeerMendsWhatRotted(t *testing.T) {
	t.Parallel()
	s := grown(t, 3)
	_, followers := s.leader()
	fill(t, s.kinesis(followers[1]), 12<<20)
	want := s.alike()

	rotten := followers[0]
	rotten.stop()
	spoil(t, fileOf(t, rotten, "*.blob"))
	rotten.start()
	s.givesAll(rotten, want)
	whole(t, rotten)
	s.settled(3)
	if st := rotten.status(); slices.ContainsFunc(st.Warnings, func(w string) bool { return !strings.Contains(w, "clock") }) {
		t.Errorf("%v", st.Warnings)
	}

	rotten = followers[1]
	was := rotten.name
	rotten.stop()
	spoil(t, fileOf(t, rotten, "*.sst"))
	rotten.start()
	k := s.kinesis(rotten, func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
	until(t, 20*time.Second, "it gives up", func() (string, bool) {
		got, err := readWhole(k)
		if err == nil && !maps.EqualFunc(want, got, slices.Equal) {
			t.Errorf("%d records of %d were read", count(got), count(want))
		}
		return fmt.Sprint(err), rotten.ended()
	})
	if err := rotten.cmd.Wait(); rotten.cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("it ended with %v", err)
	}
	rotten.start()
	s.cameBack(rotten, was)
	s.givesAll(rotten, want)
	whole(t, rotten)
}

// ended reports whether the box's process has ended by itself.
func (b *box) ended() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := gateway.Dial(b.data).Status(ctx)
	return err != nil
}

// givesAll wants a reader of the box to get these records.
func (s *trio) givesAll(b *box, want map[string][]stored) {
	s.t.Helper()
	if got := contents(s.t, s.kinesis(b)); !maps.EqualFunc(want, got, slices.Equal) {
		s.t.Errorf("%d records of %d were read", count(got), count(want))
	}
}

// whole waits until the box's log is.
func whole(t *testing.T, b *box) {
	t.Helper()
	until(t, 20*time.Second, "everything is whole", func() (string, bool) {
		out, code := b.headgate("verify")
		return out, code == 0
	})
}

func fileOf(t *testing.T, b *box, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.data, "pebble", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return files[0]
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
