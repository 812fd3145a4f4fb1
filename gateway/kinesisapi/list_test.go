package kinesisapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

func TestListStreamsInPages(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	for i := range 205 {
		if err := h.log.CreateStream(t.Context(), shardlog.StreamSpec{Name: shardlog.StreamName(fmt.Sprintf("s%03d", i)), Shards: 1}); err != nil {
			t.Fatal(err)
		}
	}
	c := h.client(once)
	var names []string
	for pages := kinesis.NewListStreamsPaginator(c, &kinesis.ListStreamsInput{}); pages.HasMorePages(); {
		page := must[*kinesis.ListStreamsOutput](t)(pages.NextPage(t.Context()))
		if len(page.StreamNames) > 100 || len(page.StreamSummaries) != len(page.StreamNames) ||
			*page.HasMoreStreams != (page.NextToken != nil) {
			t.Errorf("page of %d names, %d summaries", len(page.StreamNames), len(page.StreamSummaries))
		}
		names = append(names, page.StreamNames...)
	}
	if len(names) != 205 || names[0] != "s000" || names[204] != "s204" {
		t.Errorf("listed %d: %v", len(names), names)
	}
	page := must[*kinesis.ListStreamsOutput](t)(c.ListStreams(t.Context(), &kinesis.ListStreamsInput{
		ExclusiveStartStreamName: aws.String("s1"), Limit: aws.Int32(2)}))
	if fmt.Sprint(page.StreamNames) != "[s100 s101]" || !*page.HasMoreStreams {
		t.Errorf("behind s1: %v", page.StreamNames)
	}
	h.clock.advance(301 * time.Second)
	_, err := c.ListStreams(t.Context(), &kinesis.ListStreamsInput{NextToken: page.NextToken})
	wantError(t, err, "ExpiredNextTokenException", "")
	_, err = c.ListStreams(t.Context(), &kinesis.ListStreamsInput{NextToken: aws.String("forged")})
	wantError(t, err, "InvalidArgumentException", "")
}

func TestShardsInPages(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, name := h.client(once), aws.String("wide")
	if _, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1205)}); err != nil {
		t.Fatal(err)
	}
	count, last := 0, ""
	in := &kinesis.ListShardsInput{StreamName: name}
	for {
		page := must[*kinesis.ListShardsOutput](t)(c.ListShards(t.Context(), in))
		for _, s := range page.Shards {
			if *s.ShardId <= last {
				t.Fatalf("%s after %s", *s.ShardId, last)
			}
			last = *s.ShardId
		}
		if count += len(page.Shards); page.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: page.NextToken}
	}
	if count != 1205 {
		t.Errorf("listed %d", count)
	}
	var described int
	start := (*string)(nil)
	for more := true; more; {
		d := must[*kinesis.DescribeStreamOutput](t)(c.DescribeStream(t.Context(),
			&kinesis.DescribeStreamInput{StreamName: name, ExclusiveStartShardId: start, Limit: aws.Int32(1000)})).StreamDescription
		if len(d.Shards) > 100 {
			t.Fatalf("described %d at once", len(d.Shards))
		}
		described += len(d.Shards)
		start, more = d.Shards[len(d.Shards)-1].ShardId, *d.HasMoreShards
	}
	if described != 1205 {
		t.Errorf("described %d", described)
	}
}

func TestShardFilters(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, name := h.client(once), aws.String("s")
	if _, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	early := h.clock.now().Add(time.Second)
	h.clock.advance(time.Minute)
	s, _ := h.log.Stream("s")
	if err := h.log.SplitShard(t.Context(), s.Shards[0].ID, shardlog.Hash{Hi: 1 << 63}); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Minute)
	late := h.clock.now()
	for _, f := range []struct {
		filter types.ShardFilter
		want   string
	}{
		{types.ShardFilter{Type: "AT_LATEST"}, "[1 2]"},
		{types.ShardFilter{Type: "AT_TRIM_HORIZON"}, "[0]"},
		{types.ShardFilter{Type: "FROM_TRIM_HORIZON"}, "[0 1 2]"},
		{types.ShardFilter{Type: "AT_TIMESTAMP", Timestamp: &early}, "[0]"},
		{types.ShardFilter{Type: "AT_TIMESTAMP", Timestamp: &late}, "[1 2]"},
		{types.ShardFilter{Type: "FROM_TIMESTAMP", Timestamp: &early}, "[0 1 2]"},
		{types.ShardFilter{Type: "FROM_TIMESTAMP", Timestamp: &late}, "[1 2]"},
		{types.ShardFilter{Type: "AFTER_SHARD_ID", ShardId: aws.String("shardId-000000000001")}, "[2]"},
	} {
		page, err := c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: name, ShardFilter: &f.filter})
		if err != nil {
			t.Errorf("%s: %v", f.filter.Type, err)
			continue
		}
		var got []int
		for _, s := range page.Shards {
			var n int
			fmt.Sscanf(*s.ShardId, "shardId-%d", &n)
			got = append(got, n)
		}
		if fmt.Sprint(got) != f.want {
			t.Errorf("%s: %v, want %s", f.filter.Type, got, f.want)
		}
	}
	_, err := c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: name, NextToken: aws.String("x")})
	wantError(t, err, "InvalidArgumentException", "NextToken and StreamName cannot be provided together.")
	_, err = c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: name, ShardFilter: &types.ShardFilter{Type: "AT_TIMESTAMP"}})
	wantError(t, err, "InvalidArgumentException", "")
	_, err = c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: name, StreamCreationTimestamp: aws.Time(time.Unix(1, 0))})
	wantError(t, err, "ResourceNotFoundException", "Stream s under account 000000000000 not found.")
}
