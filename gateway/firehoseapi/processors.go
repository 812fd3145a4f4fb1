package firehoseapi

import (
	"encoding/base64"
	"strings"

	"headgate/gateway/awsapi"
)

// step is one step of a delivery's transform, in the words of the gateway's
// configuration file. One field is set.
type step struct {
	Deaggregate    bool        `json:"deaggregate,omitempty"`
	Split          *split      `json:"split,omitempty"`
	Decompress     *struct{}   `json:"decompress,omitempty"`
	CloudWatchLogs bool        `json:"cloudwatch_logs,omitempty"`
	Partition      *extraction `json:"partition,omitempty"`
	Lambda         *function   `json:"lambda,omitempty"`
	Delimiter      string      `json:"append_delimiter,omitempty"`
}

type split struct {
	Delimiter string `json:"delimiter,omitempty"`
}

type extraction struct {
	Query string `json:"query"`
}

type function struct {
	Function string `json:"function"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// process writes ProcessingConfiguration: the processors in the order in which
// they are given, after records of the Kinesis Producer Library are unpacked,
// which Firehose does before all else when it reads a stream.
func (d *document) process(in awsapi.Input) error {
	d.Delimiter = "raw"
	config := in.Inner("ProcessingConfiguration")
	if config == nil || !config.Bool("Enabled") {
		return nil
	}
	for _, one := range config.List("Processors") {
		p, _ := one.(awsapi.Input)
		if err := d.processor(p.Text("Type"), parametersOf(p)); err != nil {
			return err
		}
	}
	if len(d.Transform) > 0 {
		d.Transform = append([]step{{Deaggregate: true}}, d.Transform...)
	}
	return nil
}

// parameters are what a processor is told, by name.
type parameters map[string]string

func parametersOf(processor awsapi.Input) parameters {
	all := parameters{}
	for _, one := range processor.List("Parameters") {
		p, _ := one.(awsapi.Input)
		all[p.Text("ParameterName")] = p.Text("ParameterValue")
	}
	return all
}

// only refuses parameters that have no effect here but would be expected to.
func (p parameters) only(processor string, known ...string) error {
	for name := range p {
		found := false
		for _, k := range known {
			found = found || name == k
		}
		if !found {
			return refused(processor+" "+name, "it is not known here")
		}
	}
	return nil
}

func (d *document) processor(kind string, p parameters) error {
	switch kind {
	case "AppendDelimiterToRecord":
		return d.delimit(p)
	case "RecordDeAggregation":
		return d.part(p)
	case "Decompression":
		if format := p["CompressionFormat"]; format != "" && format != "GZIP" {
			return refused("Decompression CompressionFormat="+format, "GZIP is what there is")
		}
		d.Transform = append(d.Transform, step{Decompress: &struct{}{}})
		return p.only(kind, "CompressionFormat")
	case "CloudWatchLogProcessing":
		if p["DataMessageExtraction"] != "true" {
			return refused("CloudWatchLogProcessing DataMessageExtraction="+p["DataMessageExtraction"], "DataMessageExtraction=true is what there is")
		}
		d.Transform = append(d.Transform, step{CloudWatchLogs: true})
		d.Delimiter = "newline" // messages are delivered a line each
		return p.only(kind, "DataMessageExtraction")
	case "MetadataExtraction":
		if engine := p["JsonParsingEngine"]; engine != "" && engine != "JQ-1.6" {
			return invalid("Invalid JsonParsingEngine %s: JQ-1.6 is the only one.", engine)
		}
		if p["MetadataExtractionQuery"] == "" {
			return invalid("MetadataExtraction needs MetadataExtractionQuery.")
		}
		d.Transform = append(d.Transform, step{Partition: &extraction{Query: p["MetadataExtractionQuery"]}})
		return p.only(kind, "MetadataExtractionQuery", "JsonParsingEngine")
	}
	return d.invoke(p)
}

// delimit adds what ends a record: a newline unless something else is given.
func (d *document) delimit(p parameters) error {
	delimiter := strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t").Replace(p["Delimiter"])
	if delimiter == "" || delimiter == "\n" {
		d.Delimiter = "newline"
	} else {
		d.Transform = append(d.Transform, step{Delimiter: delimiter})
	}
	return p.only("AppendDelimiterToRecord", "Delimiter")
}

// part takes records apart that hold several. A delimiter is given in base64
// ("Apply dynamic partitioning to aggregated data", Firehose developer guide).
func (d *document) part(p parameters) error {
	s := &split{}
	switch p["SubRecordType"] {
	case "JSON":
	case "DELIMITED":
		delimiter, err := base64.StdEncoding.DecodeString(p["Delimiter"])
		if err != nil || len(delimiter) == 0 {
			return invalid("The Delimiter of RecordDeAggregation must be given in base64.")
		}
		s.Delimiter = string(delimiter)
	default:
		return invalid("RecordDeAggregation needs SubRecordType, JSON or DELIMITED.")
	}
	d.Transform = append(d.Transform, step{Split: s})
	return p.only("RecordDeAggregation", "SubRecordType", "Delimiter")
}

// invoke hands records to the function that an ARN names, among those that the
// gateway hosts. How often it is tried again and how long records wait for it
// are the gateway's affair.
func (d *document) invoke(p parameters) error {
	arn := p["LambdaArn"]
	name := arn
	if rest, ok := strings.CutPrefix(arn, "arn:"); ok {
		_, function, found := strings.Cut(rest, ":function:")
		if !found {
			return invalid("Invalid LambdaArn %s.", arn)
		}
		name, _, _ = strings.Cut(function, ":") // a version or an alias may follow
	}
	if name == "" {
		return invalid("Lambda needs LambdaArn.")
	}
	d.Transform = append(d.Transform, step{Lambda: &function{Function: name}})
	return p.only("Lambda", "LambdaArn", "NumberOfRetries", "RoleArn", "BufferSizeInMBs", "BufferIntervalInSeconds")
}
