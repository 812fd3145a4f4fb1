package firehoseapi_test

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

func processors(all ...types.Processor) *types.ProcessingConfiguration {
	return &types.ProcessingConfiguration{Enabled: aws.Bool(true), Processors: all}
}

// processor has the parameters, each a name and a value.
func processor(kind types.ProcessorType, parameters ...string) types.Processor {
	p := types.Processor{Type: kind}
	for i := 0; i < len(parameters); i += 2 {
		p.Parameters = append(p.Parameters, types.ProcessorParameter{ParameterName: types.ProcessorParameterName(parameters[i]), ParameterValue: &parameters[i+1]})
	}
	return p
}

// Each processor is a step of the delivery's transform, in the order given.
func TestProcessorsBecomeSteps(t *testing.T) {
	for name, test := range map[string]struct {
		processors []types.Processor
		delimiter  string
		want       string
	}{
		"none":        {nil, "raw", ""},
		"delimiter":   {[]types.Processor{processor("AppendDelimiterToRecord")}, "newline", ""},
		"another":     {[]types.Processor{processor("AppendDelimiterToRecord", "Delimiter", `\r\n`)}, "raw", `[{"deaggregate":true},{"append_delimiter":"\r\n"}]`},
		"subrecords":  {[]types.Processor{processor("RecordDeAggregation", "SubRecordType", "JSON")}, "raw", `[{"deaggregate":true},{"split":{}}]`},
		"delimited":   {[]types.Processor{processor("RecordDeAggregation", "SubRecordType", "DELIMITED", "Delimiter", "IyMjIw==")}, "raw", `[{"deaggregate":true},{"split":{"delimiter":"####"}}]`},
		"log_events":  {[]types.Processor{processor("Decompression", "CompressionFormat", "GZIP"), processor("CloudWatchLogProcessing", "DataMessageExtraction", "true")}, "newline", `[{"deaggregate":true},{"decompress":{}},{"cloudwatch_logs":true}]`},
		"functions":   {[]types.Processor{processor("Lambda", "LambdaArn", "arn:aws:lambda:us-east-1:000000000000:function:enrich:$LATEST", "NumberOfRetries", "3", "BufferSizeInMBs", "1")}, "raw", `[{"deaggregate":true},{"lambda":{"function":"enrich"}}]`},
		"partitioned": {[]types.Processor{processor("MetadataExtraction", "MetadataExtractionQuery", "{site:.site}", "JsonParsingEngine", "JQ-1.6")}, "raw", `[{"deaggregate":true},{"partition":{"query":"{site:.site}"}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			config := extended()
			config.ProcessingConfiguration = processors(test.processors...)
			must[*firehose.CreateDeliveryStreamOutput](t)(h.client().CreateDeliveryStream(t.Context(), &firehose.CreateDeliveryStreamInput{DeliveryStreamName: &name, ExtendedS3DestinationConfiguration: config}))
			var doc struct {
				Delimiter string
				Transform json.RawMessage
			}
			if err := json.Unmarshal(h.site.all[name].Document, &doc); err != nil {
				t.Fatal(err)
			}
			if string(doc.Transform) != test.want || doc.Delimiter != test.delimiter {
				t.Errorf("%s %s, want %s %s", doc.Delimiter, doc.Transform, test.delimiter, test.want)
			}
		})
	}
}

// What a destination of single records refuses goes to the bucket beside it.
func TestTheBucketBesideIsTheBackup(t *testing.T) {
	h := open(t)
	beside := bucket("backup")
	beside.CompressionFormat, beside.ErrorOutputPrefix = types.CompressionFormatSnappy, aws.String("refused/")
	must[*firehose.CreateDeliveryStreamOutput](t)(h.client().CreateDeliveryStream(t.Context(), &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("s"),
		SplunkDestinationConfiguration: &types.SplunkDestinationConfiguration{HECEndpoint: aws.String("https://s"), HECEndpointType: types.HECEndpointTypeRaw, HECToken: aws.String("env:HEADGATE_SECRET_T"), S3Configuration: beside}}))
	var doc struct {
		Compression string
		ErrorPrefix string `json:"error_prefix"`
		Backup      struct{ Bucket string }
	}
	if err := json.Unmarshal(h.site.all["s"].Document, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Backup.Bucket != "backup" || doc.Compression != "snappy" || doc.ErrorPrefix != "refused/" {
		t.Errorf("%+v", doc)
	}
}
