package kinesisapi_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"headgate/shardlog/quota"
)

// TestTags of both families, by name and by ARN.
func TestTags(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(), t.Context(), aws.String("s")
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(1), Tags: map[string]string{"made": "by test"}}); err != nil {
		t.Fatal(err)
	}
	byARN := aws.String("arn:aws:kinesis:eu-central-1:" + account + ":stream/s")
	if _, err := c.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamName: s, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TagResource(ctx, &kinesis.TagResourceInput{ResourceARN: byARN, Tags: map[string]string{"b": "3", "ключ": ""}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.RemoveTagsFromStream(ctx, &kinesis.RemoveTagsFromStreamInput{StreamName: s, TagKeys: []string{"a", "nobody"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"b=3", "made=by test", "ключ="}
	texts := func(tags []types.Tag) (all []string) {
		for _, one := range tags {
			all = append(all, *one.Key+"="+aws.ToString(one.Value))
		}
		return all
	}
	listed := must[*kinesis.ListTagsForResourceOutput](t)(c.ListTagsForResource(ctx, &kinesis.ListTagsForResourceInput{ResourceARN: byARN}))
	if got := texts(listed.Tags); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	first := must[*kinesis.ListTagsForStreamOutput](t)(c.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: s, Limit: aws.Int32(1)}))
	rest := must[*kinesis.ListTagsForStreamOutput](t)(c.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: s, ExclusiveStartTagKey: first.Tags[0].Key}))
	if got := append(texts(first.Tags), texts(rest.Tags)...); !slices.Equal(got, want) || !*first.HasMoreTags || *rest.HasMoreTags {
		t.Errorf("%v", got)
	}
	many := map[string]string{}
	for i := range 49 {
		many[fmt.Sprint("more", i)] = ""
	}
	if _, err := c.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamName: s, Tags: many}); !refusedAs(err, "InvalidArgumentException", "") {
		t.Errorf("52 tags: %v", err)
	}
	if _, err := c.UntagResource(ctx, &kinesis.UntagResourceInput{ResourceARN: byARN, TagKeys: []string{"b", "made", "ключ"}}); err != nil {
		t.Fatal(err)
	}
	if left := must[*kinesis.ListTagsForStreamOutput](t)(c.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: s})); len(left.Tags) != 0 {
		t.Errorf("%v", texts(left.Tags))
	}
	// A stream of the same name that is made later has none of them.
	if _, err := c.TagResource(ctx, &kinesis.TagResourceInput{ResourceARN: byARN, Tags: map[string]string{"old": ""}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: s}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	if left := must[*kinesis.ListTagsForStreamOutput](t)(c.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: s})); len(left.Tags) != 0 {
		t.Errorf("%v", texts(left.Tags))
	}
}

// TestRetentionOperations: longer, shorter, the same, and what is refused.
func TestRetentionOperations(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(), t.Context(), aws.String("s")
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	up := func(hours int32) error {
		_, err := c.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: s, RetentionPeriodHours: &hours})
		return err
	}
	down := func(hours int32) error {
		_, err := c.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{StreamName: s, RetentionPeriodHours: &hours})
		return err
	}
	for i, err := range []error{up(24), up(48), up(48), down(36), down(36)} {
		if err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
	summary := must[*kinesis.DescribeStreamSummaryOutput](t)(c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: s}))
	if h := *summary.StreamDescriptionSummary.RetentionPeriodHours; h != 36 {
		t.Errorf("%d hours", h)
	}
	for _, one := range []struct {
		err  error
		text string
	}{
		{up(25), "Requested retention period (25 hours) for stream s can not be shorter than existing retention period (36 hours). Use DecreaseRetentionPeriod API."},
		{down(48), "Requested retention period (48 hours) for stream s can not be longer than existing retention period (36 hours). Use IncreaseRetentionPeriod API."},
		{down(23), "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short."},
		{up(9000), "Maximum allowed retention period is 8760 hours. Requested retention period (9000 hours) is too long."},
	} {
		if !refusedAs(one.err, "InvalidArgumentException", one.text) {
			t.Errorf("%v, want %q", one.err, one.text)
		}
	}
}

// TestMonitoringAndLimits: what is set is shown.
func TestMonitoringAndLimits(t *testing.T) {
	h := open(t, quota.Limits{Off: true})
	c, ctx, s := h.client(), t.Context(), aws.String("s")
	if _, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: s, ShardCount: aws.Int32(3)}); err != nil {
		t.Fatal(err)
	}
	all := must[*kinesis.EnableEnhancedMonitoringOutput](t)(c.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamName: s, ShardLevelMetrics: []types.MetricsName{types.MetricsNameAll}}))
	if len(all.CurrentShardLevelMetrics) != 0 || len(all.DesiredShardLevelMetrics) != 7 {
		t.Errorf("%+v", all)
	}
	less := must[*kinesis.DisableEnhancedMonitoringOutput](t)(c.DisableEnhancedMonitoring(ctx, &kinesis.DisableEnhancedMonitoringInput{StreamName: s, ShardLevelMetrics: []types.MetricsName{types.MetricsNameIncomingBytes}}))
	d := must[*kinesis.DescribeStreamOutput](t)(c.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: s})).StreamDescription
	if len(less.DesiredShardLevelMetrics) != 6 || !slices.Equal(d.EnhancedMonitoring[0].ShardLevelMetrics, less.DesiredShardLevelMetrics) {
		t.Errorf("%+v, %+v", less, d.EnhancedMonitoring)
	}
	if l := must[*kinesis.DescribeLimitsOutput](t)(c.DescribeLimits(ctx, &kinesis.DescribeLimitsInput{})); *l.OpenShardCount != 3 || *l.ShardLimit < 1000 {
		t.Errorf("%+v", l)
	}
}
