package firehoseapi

import (
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// ownPrefix begins the name of the stream that a DirectPut delivery has for
// itself. Clients of the Kinesis API can make no such name and may not write
// to one.
const ownPrefix = "_firehose."

// ownStream is the stream of a DirectPut delivery.
func ownStream(name string) shardlog.StreamName { return shardlog.StreamName(ownPrefix + name) }

// partition is the first word of an ARN as a caller in that region sees it.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// arn is a delivery stream's ARN.
func arn(region, name string) string {
	return "arn:" + partition(region) + ":firehose:" + region + ":" + awsapi.Account + ":deliverystream/" + name
}

// streamARN is the ARN of the Kinesis stream that a delivery reads.
func streamARN(region string, name shardlog.StreamName) string {
	return "arn:" + partition(region) + ":kinesis:" + region + ":" + awsapi.Account + ":stream/" + string(name)
}

// parseStreamARN takes the name out of a Kinesis stream's ARN.
func parseStreamARN(text string) (shardlog.StreamName, error) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 {
		return "", invalid("Invalid KinesisStreamARN: %s", text)
	}
	name, ok := strings.CutPrefix(parts[5], "stream/")
	switch {
	case !ok || shardlog.StreamName(name).Check() != nil:
		return "", invalid("Invalid KinesisStreamARN: %s", text)
	case parts[4] != awsapi.Account:
		return "", awsapi.Fail(resourceNotFound, "Stream %s under account %s not found.", name, parts[4])
	}
	return shardlog.StreamName(name), nil
}
