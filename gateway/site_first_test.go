package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/gateway"
)

// TestThreeCommandsMakeATrio has three gateways vote, takes every write at
// every gateway, and gives every read there.
func TestThreeCommandsMakeATrio(t *testing.T) {
	t.Parallel()
	s := grown(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i, b := range s.all {
		number, shard := putOne(ctx, t, s.kinesis(b), fmt.Sprint("first of ", i))
		putOne(ctx, t, s.kinesis(b), fmt.Sprint("second of ", i))
		for j, other := range s.all {
			k := s.kinesis(other)
			at := iterator(ctx, t, k, shard, types.ShardIteratorTypeAtSequenceNumber, &number)
			out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at}) // waits for a number that it names
			if err != nil || len(out.Records) == 0 || string(out.Records[0].Data) != fmt.Sprint("first of ", i) {
				t.Fatalf("put at %d, read at %d: %+v, %v", i, j, out, err)
			}
			at = iterator(ctx, t, k, shard, types.ShardIteratorTypeAfterSequenceNumber, &number)
			if got := nextRecord(ctx, t, k, at); got != fmt.Sprint("second of ", i) {
				t.Fatalf("put at %d, read at %d: %q", i, j, got)
			}
		}
	}
	leader, followers := s.leader()
	at := iterator(ctx, t, s.kinesis(followers[0]), shardOf(ctx, t, s.kinesis(leader)), types.ShardIteratorTypeLatest, nil)
	putOne(ctx, t, s.kinesis(followers[1]), "news")
	if got := nextRecord(ctx, t, s.kinesis(followers[0]), at); got != "news" {
		t.Errorf("behind the latest is %q", got)
	}
	for _, b := range s.all {
		if st := b.status(); st.Version == "" || slices.ContainsFunc(st.Site.Members, func(m gateway.MemberStatus) bool { return m.Version != st.Version }) {
			t.Errorf("versions: %+v", st.Site.Members)
		}
	}
}
