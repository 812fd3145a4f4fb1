package firehoseapi_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"headgate/shardlog"
	"headgate/shardlog/quota"
)

const roleARN = "arn:aws:iam::000000000000:role/firehose"

func bucket(name string) *types.S3DestinationConfiguration {
	return &types.S3DestinationConfiguration{BucketARN: aws.String("arn:aws:s3:::" + name), RoleARN: aws.String(roleARN)}
}

func extended() *types.ExtendedS3DestinationConfiguration {
	return &types.ExtendedS3DestinationConfiguration{BucketARN: aws.String("arn:aws:s3:::lake"), RoleARN: aws.String(roleARN)}
}

// The AWS SDK for Go v2, as it is, does a delivery stream's whole life.
func TestSDKWholeLife(t *testing.T) {
	h := open(t)
	c, ctx, name := h.client(), t.Context(), aws.String("lake")
	config := extended()
	config.BufferingHints = &types.BufferingHints{IntervalInSeconds: aws.Int32(0), SizeInMBs: aws.Int32(64)}
	config.CompressionFormat, config.Prefix, config.FileExtension = types.CompressionFormatGzip, aws.String("a/!{timestamp:yyyy}/"), aws.String(".json.gz")
	config.ErrorOutputPrefix = aws.String("bad/!{firehose:error-output-type}/")
	config.ProcessingConfiguration = &types.ProcessingConfiguration{Enabled: aws.Bool(true), Processors: []types.Processor{{
		Type: types.ProcessorTypeAppendDelimiterToRecord, Parameters: []types.ProcessorParameter{{ParameterName: types.ProcessorParameterNameDelimiter, ParameterValue: aws.String(`\n`)}}}}}
	made := must[*firehose.CreateDeliveryStreamOutput](t)(c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{
		DeliveryStreamName: name, ExtendedS3DestinationConfiguration: config, Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}}))
	if want := "arn:aws:firehose:eu-central-1:000000000000:deliverystream/lake"; *made.DeliveryStreamARN != want {
		t.Errorf("ARN %s, want %s", *made.DeliveryStreamARN, want)
	}
	want := `{"name":"lake","stream":"_firehose.lake","compression":"gzip","delimiter":"newline","prefix":"a/!{timestamp:yyyy}/",` +
		`"error_prefix":"bad/!{firehose:error-output-type}/","extension":".json.gz","size":"64MiB","interval":"0s","s3":{"bucket":"lake"}}`
	if got := string(h.site.all["lake"].Document); got != want {
		t.Errorf("document\n%s, want\n%s", got, want)
	}
	_, err := c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name, ExtendedS3DestinationConfiguration: extended()})
	wantError(t, err, "ResourceInUseException", "lake")

	d := must[*firehose.DescribeDeliveryStreamOutput](t)(c.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name})).DeliveryStreamDescription
	s3 := d.Destinations[0].ExtendedS3DestinationDescription
	if d.DeliveryStreamStatus != "ACTIVE" || d.DeliveryStreamType != "DirectPut" || *d.VersionId != "1" || d.CreateTimestamp == nil ||
		d.DeliveryStreamEncryptionConfiguration.Status != "DISABLED" || *d.Destinations[0].DestinationId != "destinationId-000000000001" {
		t.Errorf("described %+v", d)
	}
	if *s3.BufferingHints.IntervalInSeconds != 0 || *s3.BufferingHints.SizeInMBs != 64 || s3.CompressionFormat != "GZIP" || *s3.Prefix != *config.Prefix ||
		*s3.FileExtension != ".json.gz" || s3.S3BackupMode != "Disabled" || s3.EncryptionConfiguration.NoEncryptionConfig != "NoEncryption" ||
		*s3.ProcessingConfiguration.Processors[0].Parameters[0].ParameterValue != `\n` || *d.Destinations[0].S3DestinationDescription.BucketARN != *config.BucketARN {
		t.Errorf("described %+v", s3)
	}

	one := must[*firehose.PutRecordOutput](t)(c.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: []byte("first")}}))
	if aws.ToString(one.RecordId) == "" || aws.ToBool(one.Encrypted) {
		t.Errorf("put %+v", one)
	}
	batch := &firehose.PutRecordBatchInput{DeliveryStreamName: name}
	for i := range 500 {
		batch.Records = append(batch.Records, types.Record{Data: fmt.Appendf(nil, "r%d", i)})
	}
	out := must[*firehose.PutRecordBatchOutput](t)(c.PutRecordBatch(ctx, batch))
	ids := map[string]bool{*one.RecordId: true}
	for _, r := range out.RequestResponses {
		ids[aws.ToString(r.RecordId)] = true
	}
	if *out.FailedPutCount != 0 || len(ids) != 501 {
		t.Errorf("%d failed, %d ids", *out.FailedPutCount, len(ids))
	}
	if got := h.log.Records("_firehose.lake"); len(got) != 501 {
		t.Errorf("%d records are stored", len(got))
	}
	if s := h.api.Stats(); s.Records != 501 || s.Bytes == 0 {
		t.Errorf("stats %+v", s)
	}
	if _, err := c.DeleteDeliveryStream(ctx, &firehose.DeleteDeliveryStreamInput{DeliveryStreamName: name, AllowForceDelete: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name})
	wantError(t, err, "ResourceNotFoundException", "Firehose lake under account 000000000000 not found.")
	_, err = c.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: []byte("late")}})
	wantError(t, err, "ResourceNotFoundException", "lake")
}

func TestPutLimits(t *testing.T) {
	h := open(t)
	c, ctx, name := h.client(), t.Context(), aws.String("lake")
	must[*firehose.CreateDeliveryStreamOutput](t)(c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name, ExtendedS3DestinationConfiguration: extended()}))
	largest := bytes.Repeat([]byte{'x'}, 1000<<10)
	must[*firehose.PutRecordOutput](t)(c.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: largest}}))
	_, err := c.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: append(largest, 'x')}})
	wantError(t, err, "ValidationException", "Member must have length less than or equal to 1024000")
	batch := func(n, size int) error {
		in := &firehose.PutRecordBatchInput{DeliveryStreamName: name}
		for range n {
			in.Records = append(in.Records, types.Record{Data: largest[:size]})
		}
		_, err := c.PutRecordBatch(ctx, in)
		return err
	}
	if err := batch(4, 1000<<10); err != nil {
		t.Error(err)
	}
	wantError(t, batch(5, 1000<<10), "InvalidArgumentException", "4 MB")
	wantError(t, batch(501, 1), "ValidationException", "less than or equal to 500")
}

// One shard that is too slow fails its records, not the batch.
func TestBatchSucceedsInPart(t *testing.T) {
	h := open(t)
	h.log.Quota = &quota.Limits{RecordsIn: 10, BytesIn: 1 << 20, ReadsOut: 5, BytesOut: 2 << 20}
	c, ctx, name := h.client(), t.Context(), aws.String("lake")
	must[*firehose.CreateDeliveryStreamOutput](t)(c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name, ExtendedS3DestinationConfiguration: extended()}))
	in := &firehose.PutRecordBatchInput{DeliveryStreamName: name}
	for i := range 100 {
		in.Records = append(in.Records, types.Record{Data: fmt.Appendf(nil, "r%d", i)})
	}
	out := must[*firehose.PutRecordBatchOutput](t)(c.PutRecordBatch(ctx, in))
	failed := 0
	for _, r := range out.RequestResponses {
		switch {
		case r.RecordId != nil && r.ErrorCode == nil:
		case r.RecordId == nil && *r.ErrorCode == "ServiceUnavailableException" && *r.ErrorMessage == "Slow down.":
			failed++
		default:
			t.Errorf("%+v", r)
		}
	}
	if stored := len(h.log.Records("_firehose.lake")); failed == 0 || failed != int(*out.FailedPutCount) || stored != 100-failed {
		t.Errorf("%d failed, %d said, %d stored", failed, *out.FailedPutCount, stored)
	}
	// A hidden stream that is throttled whole answers as Firehose does.
	for range 30 {
		_, err := c.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: []byte("x")}})
		if err != nil {
			wantError(t, err, "ServiceUnavailableException", "Slow down.")
			return
		}
	}
	t.Error("never throttled")
}

func TestKinesisStreamAsSource(t *testing.T) {
	h := open(t)
	c, ctx, name := h.client(), t.Context(), aws.String("archive")
	if err := h.log.CreateStream(ctx, shardlog.StreamSpec{Name: "telemetry"}); err != nil {
		t.Fatal(err)
	}
	source := &types.KinesisStreamSourceConfiguration{KinesisStreamARN: aws.String("arn:aws:kinesis:eu-central-1:000000000000:stream/telemetry"), RoleARN: aws.String(roleARN)}
	in := &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name, DeliveryStreamType: types.DeliveryStreamTypeKinesisStreamAsSource,
		KinesisStreamSourceConfiguration: source, S3DestinationConfiguration: bucket("lake")}
	must[*firehose.CreateDeliveryStreamOutput](t)(c.CreateDeliveryStream(ctx, in))
	if d := string(h.site.all["archive"].Document); !strings.Contains(d, `"stream":"telemetry"`) || !strings.Contains(d, `"start":"newest"`) || !strings.Contains(d, `"delimiter":"raw"`) {
		t.Error(d)
	}
	d := must[*firehose.DescribeDeliveryStreamOutput](t)(c.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name})).DeliveryStreamDescription
	if d.DeliveryStreamType != "KinesisStreamAsSource" || *d.Source.KinesisStreamSourceDescription.KinesisStreamARN != *source.KinesisStreamARN ||
		*d.Destinations[0].S3DestinationDescription.BucketARN != "arn:aws:s3:::lake" || d.Destinations[0].ExtendedS3DestinationDescription != nil {
		t.Errorf("%+v", d)
	}
	_, err := c.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: []byte("x")}})
	wantError(t, err, "InvalidArgumentException", "not permitted on KinesisStreamAsSource")
	in.DeliveryStreamName, source.KinesisStreamARN = aws.String("other"), aws.String("arn:aws:kinesis:eu-central-1:000000000000:stream/nothing")
	_, err = c.CreateDeliveryStream(ctx, in)
	wantError(t, err, "ResourceNotFoundException", "Stream nothing under account 000000000000 not found.")
}

func TestListPagesByName(t *testing.T) {
	h := open(t)
	c, ctx := h.client(), t.Context()
	for i := range 12 {
		must[*firehose.CreateDeliveryStreamOutput](t)(c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{
			DeliveryStreamName: aws.String(fmt.Sprintf("d%02d", i)), ExtendedS3DestinationConfiguration: extended()}))
	}
	first := must[*firehose.ListDeliveryStreamsOutput](t)(c.ListDeliveryStreams(ctx, &firehose.ListDeliveryStreamsInput{}))
	rest := must[*firehose.ListDeliveryStreamsOutput](t)(c.ListDeliveryStreams(ctx, &firehose.ListDeliveryStreamsInput{ExclusiveStartDeliveryStreamName: aws.String("d09"), Limit: aws.Int32(5)}))
	if len(first.DeliveryStreamNames) != 10 || !*first.HasMoreDeliveryStreams || fmt.Sprint(rest.DeliveryStreamNames) != "[d10 d11]" || *rest.HasMoreDeliveryStreams {
		t.Errorf("%v %v", first.DeliveryStreamNames, rest.DeliveryStreamNames)
	}
	none := must[*firehose.ListDeliveryStreamsOutput](t)(c.ListDeliveryStreams(ctx, &firehose.ListDeliveryStreamsInput{DeliveryStreamType: types.DeliveryStreamTypeKinesisStreamAsSource}))
	if len(none.DeliveryStreamNames) != 0 {
		t.Error(none.DeliveryStreamNames)
	}
}

func TestTagsAndEncryption(t *testing.T) {
	h := open(t)
	c, ctx, name := h.client(), t.Context(), aws.String("lake")
	must[*firehose.CreateDeliveryStreamOutput](t)(c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name,
		ExtendedS3DestinationConfiguration: extended(), Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}}))
	must[*firehose.TagDeliveryStreamOutput](t)(c.TagDeliveryStream(ctx, &firehose.TagDeliveryStreamInput{DeliveryStreamName: name,
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("3")}, {Key: aws.String("c")}}}))
	must[*firehose.UntagDeliveryStreamOutput](t)(c.UntagDeliveryStream(ctx, &firehose.UntagDeliveryStreamInput{DeliveryStreamName: name, TagKeys: []string{"c", "z"}}))
	page := must[*firehose.ListTagsForDeliveryStreamOutput](t)(c.ListTagsForDeliveryStream(ctx, &firehose.ListTagsForDeliveryStreamInput{DeliveryStreamName: name, Limit: aws.Int32(1)}))
	rest := must[*firehose.ListTagsForDeliveryStreamOutput](t)(c.ListTagsForDeliveryStream(ctx, &firehose.ListTagsForDeliveryStreamInput{DeliveryStreamName: name, ExclusiveStartTagKey: aws.String("a")}))
	if len(page.Tags) != 1 || *page.Tags[0].Key != "a" || !*page.HasMoreTags || len(rest.Tags) != 1 || *rest.Tags[0].Value != "3" || *rest.HasMoreTags {
		t.Errorf("%+v %+v", page, rest)
	}
	var many []types.Tag
	for i := range 49 {
		many = append(many, types.Tag{Key: aws.String(fmt.Sprint("t", i))})
	}
	_, err := c.TagDeliveryStream(ctx, &firehose.TagDeliveryStreamInput{DeliveryStreamName: name, Tags: many})
	wantError(t, err, "LimitExceededException", "50")
	_, err = c.TagDeliveryStream(ctx, &firehose.TagDeliveryStreamInput{DeliveryStreamName: name, Tags: []types.Tag{{Key: aws.String("aws:x")}}})
	wantError(t, err, "InvalidArgumentException", "aws:x")
	_, err = c.StartDeliveryStreamEncryption(ctx, &firehose.StartDeliveryStreamEncryptionInput{DeliveryStreamName: name})
	wantError(t, err, "InvalidArgumentException", "does not encrypt")
	must[*firehose.StopDeliveryStreamEncryptionOutput](t)(c.StopDeliveryStreamEncryption(ctx, &firehose.StopDeliveryStreamEncryptionInput{DeliveryStreamName: name}))
}

func TestUpdateDestination(t *testing.T) {
	h := open(t)
	c, ctx, name := h.client(), t.Context(), aws.String("lake")
	config := extended()
	config.Prefix, config.CompressionFormat = aws.String("kept/"), types.CompressionFormatGzip
	must[*firehose.CreateDeliveryStreamOutput](t)(c.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name, ExtendedS3DestinationConfiguration: config}))
	update := func(version string, change func(*firehose.UpdateDestinationInput)) error {
		in := &firehose.UpdateDestinationInput{DeliveryStreamName: name, CurrentDeliveryStreamVersionId: &version, DestinationId: aws.String("destinationId-000000000001")}
		change(in)
		_, err := c.UpdateDestination(ctx, in)
		return err
	}
	larger := func(in *firehose.UpdateDestinationInput) {
		in.ExtendedS3DestinationUpdate = &types.ExtendedS3DestinationUpdate{BufferingHints: &types.BufferingHints{SizeInMBs: aws.Int32(7), IntervalInSeconds: aws.Int32(60)}}
	}
	wantError(t, update("2", larger), "ConcurrentModificationException", "current version id: 1")
	if err := update("1", larger); err != nil {
		t.Fatal(err)
	}
	wantError(t, update("1", larger), "ConcurrentModificationException", "current version id: 2")
	d := must[*firehose.DescribeDeliveryStreamOutput](t)(c.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name})).DeliveryStreamDescription
	s3 := d.Destinations[0].ExtendedS3DestinationDescription
	if *d.VersionId != "2" || d.LastUpdateTimestamp == nil || *s3.BufferingHints.SizeInMBs != 7 || *s3.Prefix != "kept/" || s3.CompressionFormat != "GZIP" {
		t.Errorf("%+v %+v", d, s3)
	}
	if doc := string(h.site.all["lake"].Document); !strings.Contains(doc, `"size":"7MiB","interval":"60s"`) || !strings.Contains(doc, `"prefix":"kept/"`) {
		t.Error(doc)
	}
	wantError(t, update("2", func(in *firehose.UpdateDestinationInput) {
		in.ExtendedS3DestinationUpdate = &types.ExtendedS3DestinationUpdate{BucketARN: aws.String("nonsense")}
	}), "ValidationException", "bucketARN")
	wantError(t, update("2", func(in *firehose.UpdateDestinationInput) {
		in.ExtendedS3DestinationUpdate = &types.ExtendedS3DestinationUpdate{CustomTimeZone: aws.String("Asia/Tokyo")}
	}), "InvalidArgumentException", "CustomTimeZone Asia/Tokyo")
	// Another type must be given in full.
	wantError(t, update("2", func(in *firehose.UpdateDestinationInput) {
		in.HttpEndpointDestinationUpdate = &types.HttpEndpointDestinationUpdate{EndpointConfiguration: &types.HttpEndpointConfiguration{Url: aws.String("https://x")}}
	}), "ValidationException", "s3Configuration")
	if err := update("2", func(in *firehose.UpdateDestinationInput) {
		in.HttpEndpointDestinationUpdate = &types.HttpEndpointDestinationUpdate{EndpointConfiguration: &types.HttpEndpointConfiguration{Url: aws.String("https://x"), AccessKey: aws.String("file:key")},
			S3Update: &types.S3DestinationUpdate{BucketARN: aws.String("arn:aws:s3:::backup"), RoleARN: aws.String(roleARN), Prefix: aws.String("b/")}}
	}); err != nil {
		t.Fatal(err)
	}
	if err := update("3", func(in *firehose.UpdateDestinationInput) {
		in.HttpEndpointDestinationUpdate = &types.HttpEndpointDestinationUpdate{S3Update: &types.S3DestinationUpdate{Prefix: aws.String("c/")}}
	}); err != nil {
		t.Fatal(err)
	}
	d = must[*firehose.DescribeDeliveryStreamOutput](t)(c.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name})).DeliveryStreamDescription
	endpoint := d.Destinations[0].HttpEndpointDestinationDescription
	if *d.VersionId != "4" || *endpoint.EndpointConfiguration.Url != "https://x" || *endpoint.S3DestinationDescription.BucketARN != "arn:aws:s3:::backup" || *endpoint.S3DestinationDescription.Prefix != "c/" {
		t.Errorf("%+v", endpoint)
	}
}
