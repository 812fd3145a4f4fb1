package kinesisapi

import (
	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// The members that several operations share, with the constraints of the API
// reference.

func nameRules() []awsapi.Rule {
	return []awsapi.Rule{awsapi.Pattern(`[a-zA-Z0-9_.-]+`), awsapi.Shortest(1), awsapi.Longest(128)}
}

func text(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.String, Rules: rules}
}

func integer(name string, rules ...awsapi.Rule) awsapi.Field {
	return awsapi.Field{Name: name, Type: awsapi.Integer, Rules: rules}
}

func boolean(name string) awsapi.Field { return awsapi.Field{Name: name, Type: awsapi.Boolean} }

func timestamp(name string) awsapi.Field { return awsapi.Field{Name: name, Type: awsapi.Timestamp} }

func streamName() awsapi.Field { return text("StreamName", nameRules()...) }

func streamARN() awsapi.Field {
	return text("StreamARN", awsapi.Pattern(`arn:aws.*:kinesis:.*:\d{12}:stream/\S+`), awsapi.Shortest(1), awsapi.Longest(2048))
}

func limit(name string) awsapi.Field { return integer(name, awsapi.Least(1), awsapi.Most(10000)) }

func partitionKey() awsapi.Field {
	return text("PartitionKey", awsapi.Shortest(1), awsapi.Longest(256))
}

func explicitHashKey() awsapi.Field {
	return text("ExplicitHashKey", awsapi.Pattern(`0|([1-9]\d{0,38})`))
}

func data() awsapi.Field {
	return awsapi.Field{Name: "Data", Type: awsapi.Blob, Rules: []awsapi.Rule{awsapi.NotNull(), awsapi.Longest(maxData)}}
}

func recordSize() awsapi.Field {
	return integer("MaxRecordSizeInKiB", awsapi.Least(shardlog.DefaultRecordKiB), awsapi.Most(shardlog.MaxRecordKiB))
}

func sequenceNumber(name string) awsapi.Field {
	return text(name, awsapi.Pattern(`0|([1-9]\d{0,128})`))
}

func nextToken() awsapi.Field {
	return text("NextToken", awsapi.Shortest(1), awsapi.Longest(1<<20))
}

// required is a field that must be there, asked first.
func required(f awsapi.Field) awsapi.Field {
	f.Rules = append([]awsapi.Rule{awsapi.NotNull()}, f.Rules...)
	return f
}
