package firehoseapi_test

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

// Every destination comes out of Describe as it went into Create, secrets
// apart, and is a delivery in the gateway's words.
func TestDestinationsRoundTrip(t *testing.T) {
	h := open(t)
	c, ctx := h.client(), t.Context()
	search := &types.AmazonopensearchserviceDestinationConfiguration{ClusterEndpoint: aws.String("https://search:9200"), IndexName: aws.String("i"), RoleARN: aws.String(roleARN),
		S3Configuration: bucket("backup"), IndexRotationPeriod: types.AmazonopensearchserviceIndexRotationPeriodOneWeek, DocumentIdOptions: &types.DocumentIdOptions{DefaultDocumentIdFormat: types.DefaultDocumentIdFormatNoDocumentId}}
	elastic := &types.ElasticsearchDestinationConfiguration{ClusterEndpoint: aws.String("https://search:9200"), IndexName: aws.String("i"), RoleARN: aws.String(roleARN), S3Configuration: bucket("backup")}
	splunk := &types.SplunkDestinationConfiguration{HECEndpoint: aws.String("https://splunk:8088"), HECEndpointType: types.HECEndpointTypeEvent, HECToken: aws.String("env:HEADGATE_SECRET_HEC"),
		S3Configuration: bucket("backup"), RetryOptions: &types.SplunkRetryOptions{DurationInSeconds: aws.Int32(30)}}
	endpoint := &types.HttpEndpointDestinationConfiguration{EndpointConfiguration: &types.HttpEndpointConfiguration{Url: aws.String("https://logs.example/v1"), Name: aws.String("logs"), AccessKey: aws.String("credential:logs")},
		S3Configuration: bucket("backup"), RequestConfiguration: &types.HttpEndpointRequestConfiguration{ContentEncoding: types.ContentEncodingGzip,
			CommonAttributes: []types.HttpEndpointCommonAttribute{{AttributeName: aws.String("site"), AttributeValue: aws.String("7")}}}}
	redshift := &types.RedshiftDestinationConfiguration{ClusterJDBCURL: aws.String("jdbc:redshift://r.example:5439/db"), RoleARN: aws.String(roleARN), Username: aws.String("u"), Password: aws.String("file:redshift"),
		CopyCommand: &types.CopyCommand{DataTableName: aws.String("t"), CopyOptions: aws.String("JSON 'auto'")}, S3Configuration: bucket("stage")}
	for _, test := range []struct {
		name string
		in   firehose.CreateDeliveryStreamInput
		want string
		seen func(types.DestinationDescription) (any, any)
	}{
		{"opensearch", firehose.CreateDeliveryStreamInput{AmazonopensearchserviceDestinationConfiguration: search},
			`{"url":"https://search:9200","index":"i","rotation":"week","document_ids":"none"}`,
			func(d types.DestinationDescription) (any, any) {
				s := d.AmazonopensearchserviceDestinationDescription
				return []string{*s.ClusterEndpoint, string(s.IndexRotationPeriod), *s.S3DestinationDescription.BucketARN, string(s.S3BackupMode)}, []string{"https://search:9200", "OneWeek", "arn:aws:s3:::backup", "FailedDocumentsOnly"}
			}},
		{"elasticsearch", firehose.CreateDeliveryStreamInput{ElasticsearchDestinationConfiguration: elastic},
			`{"url":"https://search:9200","index":"i","rotation":"day","document_ids":"own"}`,
			func(d types.DestinationDescription) (any, any) {
				s := d.ElasticsearchDestinationDescription
				return []any{*s.IndexName, *s.BufferingHints.IntervalInSeconds, string(s.IndexRotationPeriod)}, []any{"i", int32(300), "OneDay"}
			}},
		{"splunk", firehose.CreateDeliveryStreamInput{SplunkDestinationConfiguration: splunk},
			`{"url":"https://splunk:8088","token":{"env":"HEADGATE_SECRET_HEC"},"endpoint":"event","ack_timeout":"180s"}`,
			func(d types.DestinationDescription) (any, any) {
				s := d.SplunkDestinationDescription
				return []any{*s.HECToken, *s.RetryOptions.DurationInSeconds, *s.HECAcknowledgmentTimeoutInSeconds, *s.BufferingHints.IntervalInSeconds}, []any{"env:HEADGATE_SECRET_HEC", int32(30), int32(180), int32(60)}
			}},
		{"http", firehose.CreateDeliveryStreamInput{HttpEndpointDestinationConfiguration: endpoint},
			`{"url":"https://logs.example/v1","name":"logs","access_key":{"credential":"logs"},"encoding":"gzip","attributes":{"site":"7"}}`,
			func(d types.DestinationDescription) (any, any) {
				s := d.HttpEndpointDestinationDescription
				return []any{*s.EndpointConfiguration.Url, *s.EndpointConfiguration.Name, *s.RequestConfiguration.CommonAttributes[0].AttributeValue}, []any{"https://logs.example/v1", "logs", "7"}
			}},
		{"redshift", firehose.CreateDeliveryStreamInput{RedshiftDestinationConfiguration: redshift},
			`{"address":"r.example:5439","database":"db","table":"t","copy_options":"JSON 'auto'","role":"` + roleARN + `","username":"u","password":{"file":"redshift"},"stage":{"bucket":"stage"}}`,
			func(d types.DestinationDescription) (any, any) {
				s := d.RedshiftDestinationDescription
				return []any{*s.ClusterJDBCURL, *s.CopyCommand.CopyOptions, *s.Username, *s.S3DestinationDescription.BucketARN}, []any{"jdbc:redshift://r.example:5439/db", "JSON 'auto'", "u", "arn:aws:s3:::stage"}
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.in.DeliveryStreamName = &test.name
			must[*firehose.CreateDeliveryStreamOutput](t)(c.CreateDeliveryStream(ctx, &test.in))
			var doc map[string]json.RawMessage
			if err := json.Unmarshal(h.site.all[test.name].Document, &doc); err != nil {
				t.Fatal(err)
			}
			block := test.name
			if block == "elasticsearch" {
				block = "opensearch"
			}
			if got := string(doc[block]); got != test.want {
				t.Errorf("document %s, want %s", got, test.want)
			}
			d := must[*firehose.DescribeDeliveryStreamOutput](t)(c.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: &test.name}))
			got, want := test.seen(d.DeliveryStreamDescription.Destinations[0])
			g, _ := json.Marshal(got)
			if w, _ := json.Marshal(want); string(g) != string(w) {
				t.Errorf("described %s, want %s", g, w)
			}
		})
	}
	_, err := c.UpdateDestination(ctx, &firehose.UpdateDestinationInput{DeliveryStreamName: aws.String("opensearch"), CurrentDeliveryStreamVersionId: aws.String("1"),
		DestinationId: aws.String("destinationId-000000000001"), S3DestinationUpdate: &types.S3DestinationUpdate{BucketARN: aws.String("arn:aws:s3:::x"), RoleARN: aws.String(roleARN)}})
	wantError(t, err, "InvalidArgumentException", "cannot be changed to another type")
}

// What would be stored and not done is refused by its name.
func TestRefusedByName(t *testing.T) {
	h := open(t)
	c, ctx := h.client(), t.Context()
	on := aws.Bool(true)
	with := func(change func(*types.ExtendedS3DestinationConfiguration)) firehose.CreateDeliveryStreamInput {
		config := extended()
		change(config)
		return firehose.CreateDeliveryStreamInput{ExtendedS3DestinationConfiguration: config}
	}
	type s3 = types.ExtendedS3DestinationConfiguration
	for _, test := range []struct {
		words string
		in    firehose.CreateDeliveryStreamInput
	}{
		{"Exactly one destination", firehose.CreateDeliveryStreamInput{}},
		{"Exactly one destination", firehose.CreateDeliveryStreamInput{S3DestinationConfiguration: bucket("a"), ExtendedS3DestinationConfiguration: extended()}},
		{"SnowflakeDestinationConfiguration is not supported", firehose.CreateDeliveryStreamInput{SnowflakeDestinationConfiguration: &types.SnowflakeDestinationConfiguration{
			AccountUrl: aws.String("a"), Database: aws.String("d"), RoleARN: aws.String(roleARN), S3Configuration: bucket("b"), Schema: aws.String("s"), Table: aws.String("t")}}},
		{"CloudWatchLoggingOptions", with(func(c *s3) { c.CloudWatchLoggingOptions = &types.CloudWatchLoggingOptions{Enabled: on} })},
		{"DataFormatConversionConfiguration", with(func(c *s3) {
			c.DataFormatConversionConfiguration = &types.DataFormatConversionConfiguration{Enabled: on}
		})},
		{"go together", with(func(c *s3) { c.DynamicPartitioningConfiguration = &types.DynamicPartitioningConfiguration{Enabled: on} })},
		{"S3BackupMode Enabled", with(func(c *s3) { c.S3BackupMode = types.S3BackupModeEnabled })},
		{"CustomTimeZone Asia/Tokyo", with(func(c *s3) { c.CustomTimeZone = aws.String("Asia/Tokyo") })},
		{"KMSEncryptionConfig", with(func(c *s3) {
			c.EncryptionConfiguration = &types.EncryptionConfiguration{KMSEncryptionConfig: &types.KMSEncryptionConfig{AWSKMSKeyARN: aws.String("arn:aws:kms:eu-central-1:000000000000:key/k")}}
		})},
		{"Lambda needs LambdaArn", with(func(c *s3) { c.ProcessingConfiguration = processors(processor("Lambda")) })},
		{"Decompression CompressionFormat=ZIP", with(func(c *s3) {
			c.ProcessingConfiguration = processors(processor("Decompression", "CompressionFormat", "ZIP"))
		})},
		{"given in base64", with(func(c *s3) {
			c.ProcessingConfiguration = processors(processor("RecordDeAggregation", "SubRecordType", "DELIMITED", "Delimiter", "####"))
		})},
		{"DeliveryStreamEncryptionConfigurationInput", firehose.CreateDeliveryStreamInput{S3DestinationConfiguration: bucket("a"),
			DeliveryStreamEncryptionConfigurationInput: &types.DeliveryStreamEncryptionConfigurationInput{KeyType: types.KeyTypeAwsOwnedCmk}}},
		{"DeliveryStreamType MSKAsSource", firehose.CreateDeliveryStreamInput{S3DestinationConfiguration: bucket("a"), DeliveryStreamType: types.DeliveryStreamTypeMSKAsSource}},
		{"say where it lies", firehose.CreateDeliveryStreamInput{SplunkDestinationConfiguration: &types.SplunkDestinationConfiguration{
			HECEndpoint: aws.String("https://s"), HECEndpointType: types.HECEndpointTypeRaw, HECToken: aws.String("0123-inline"), S3Configuration: bucket("b")}}},
	} {
		test.in.DeliveryStreamName = aws.String("refused")
		_, err := c.CreateDeliveryStream(ctx, &test.in)
		wantError(t, err, "InvalidArgumentException", test.words)
	}
	if len(h.site.all) != 0 {
		t.Errorf("left %v", h.site.all)
	}
}
