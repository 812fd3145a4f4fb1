package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog"
)

// largeRecord is the n-th of 10 MiB, which no two share and nothing compresses.
func largeRecord(n int) []byte {
	var seed [32]byte
	copy(seed[:], fmt.Sprint(n))
	data := make([]byte, shardlog.MaxRecordBytes-16)
	_, _ = rand.NewChaCha8(seed).Read(data)
	return data
}

// makeLarge makes a stream whose records may have 10 MiB.
func makeLarge(t *testing.T, k *kinesis.Client) {
	t.Helper()
	_, err := k.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("large"), ShardCount: aws.Int32(2), MaxRecordSizeInKiB: aws.Int32(shardlog.MaxRecordKiB)})
	if err != nil {
		t.Fatal(err)
	}
}

func putLarge(ctx context.Context, k *kinesis.Client, n int) (sum [32]byte, err error) {
	data := largeRecord(n)
	_, err = k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("large"), PartitionKey: aws.String(fmt.Sprint("k", n)), Data: data})
	return sha256.Sum256(data), err
}

// readLarge is what the stream holds, by checksum.
func readLarge(t *testing.T, k *kinesis.Client) map[[32]byte]int {
	t.Helper()
	seen, ctx := map[[32]byte]int{}, t.Context()
	for shard := range 2 {
		at, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String("large"),
			ShardId: aws.String(fmt.Sprintf("shardId-%012d", shard)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		for next := at.ShardIterator; ; {
			page, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				seen[sha256.Sum256(r.Data)]++
			}
			if next = page.NextShardIterator; aws.ToInt64(page.MillisBehindLatest) == 0 && len(page.Records) == 0 {
				break
			}
		}
	}
	return seen
}

// TestLargeRecordsOutliveTheLeader puts 10 MiB through all gateways of a site
// while the leader is killed. What was acknowledged is on the survivors, and
// on the dead one when it is back.
func TestLargeRecordsOutliveTheLeader(t *testing.T) {
	t.Parallel()
	s := grown(t, 3)
	makeLarge(t, s.kinesis(s.all[0]))
	leader, _ := s.leader()
	var mu sync.Mutex
	acked := map[[32]byte]int{}
	enough := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for i, b := range s.all {
		writers.Go(func() {
			k := s.kinesis(b)
			for n := i * 1000; ctx.Err() == nil; n++ {
				sum, err := putLarge(ctx, k, n)
				if err != nil && b == leader {
					return
				}
				mu.Lock()
				if err == nil {
					if acked[sum] = n; len(acked) == 5 {
						close(enough)
					}
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(2 * time.Minute):
		t.Fatal("large records are not acknowledged")
	}
	leader.kill()
	mu.Lock()
	before := len(acked)
	mu.Unlock()
	until(t, 2*time.Minute, "records are acknowledged without it", func() (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprintf("%d, %d before", len(acked), before), len(acked) >= before+4
	})
	stop()
	writers.Wait()
	leader.start()
	s.settled(3)
	until(t, time.Minute, "all gateways have all", func() (string, bool) {
		for _, b := range s.all {
			seen := readLarge(t, s.kinesis(b))
			for sum, n := range acked {
				if seen[sum] == 0 {
					return fmt.Sprintf("record %d is not at %s, which has %d", n, b.name, len(seen)), false
				}
			}
		}
		return "", true
	})
	t.Logf("%d records of 10 MiB, %d before the leader was killed", len(acked), before)
	for _, b := range s.all {
		b.does("verify")
	}
}

// rss is the most memory that the process has had, in MiB.
func (p *process) rss(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var kib int
		if rest, ok := strings.CutPrefix(string(line), "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return kib >> 10
			}
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestManyLargeRecordsAtOnce has 16 clients put 10 MiB each at once, and then
// read them all at once. A board of 512 MB must live through it.
func TestManyLargeRecordsAtOnce(t *testing.T) {
	p := serve(t, t.TempDir(), "--limits", "off")
	k := p.client(p.KeyID, p.SecretKey, func(o *kinesis.Options) { o.RetryMaxAttempts = 10 })
	makeLarge(t, k)
	var all sync.WaitGroup
	began := time.Now()
	for i := range 16 {
		all.Go(func() {
			for n := range 3 {
				if _, err := putLarge(t.Context(), k, i*10+n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	wrote, most := time.Since(began), p.rss(t)
	began = time.Now()
	for range 4 {
		all.Go(func() {
			if n := len(readLarge(t, k)); n != 48 {
				t.Errorf("%d records", n)
			}
		})
	}
	all.Wait()
	t.Logf("480 MiB in %v with %d MiB at most; read by four in %v, with %d MiB", wrote, most, time.Since(began), p.rss(t))
	if most = p.rss(t); most > 380 {
		t.Errorf("%d MiB of memory", most)
	}
}
