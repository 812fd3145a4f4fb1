package kinesisapi

import (
	"strconv"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// arn is a stream's ARN as a caller in that region sees it.
func arn(region string, name shardlog.StreamName) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":kinesis:" + region + ":" + awsapi.Account + ":stream/" + string(name)
}

// parseARN takes account and name out of a stream's ARN.
func parseARN(text string) (account string, name shardlog.StreamName, ok bool) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 {
		return "", "", false
	}
	rest, ok := strings.CutPrefix(parts[5], "stream/")
	return parts[4], shardlog.StreamName(rest), ok
}

// identify is the name of the stream that a request means, by StreamName or
// by StreamARN or, if they agree, by both.
func identify(name shardlog.StreamName, byARN string) (shardlog.StreamName, error) {
	if byARN == "" {
		if name == "" {
			return "", awsapi.Fail(invalidArgument, "Either StreamName or StreamARN must be provided.")
		}
		return name, nil
	}
	account, inARN, ok := parseARN(byARN)
	switch {
	case !ok || inARN.Check() != nil:
		return "", awsapi.Fail(invalidArgument, "Invalid StreamARN: %s", byARN)
	case account != awsapi.Account:
		return "", awsapi.Fail(resourceNotFound, "Stream %s under account %s not found.", inARN, account)
	case name != "" && name != inARN:
		return "", awsapi.Fail(invalidArgument, "StreamName %s and StreamARN %s name different streams.", name, byARN)
	}
	return inARN, nil
}

// find is the stream that a request means.
func (a *API) find(in awsapi.Input) (shardlog.Stream, error) {
	name, err := identify(shardlog.StreamName(in.Text("StreamName")), in.Text("StreamARN"))
	if err != nil {
		return shardlog.Stream{}, err
	}
	stream, ok := a.catalog.Stream(name)
	if !ok {
		return shardlog.Stream{}, noStream(name)
	}
	return stream, nil
}

// changeable refuses what clients may not change.
func changeable(name shardlog.StreamName) error {
	if name.Own() {
		return awsapi.Fail(accessDenied, "Stream %s is the gateway's own. It can be read and listed only.", name)
	}
	return nil
}

// parseShard reads a shard's name, also a short one: shardId-7, or 7.
func parseShard(text string) (number uint32, ok bool) {
	if _, after, found := strings.Cut(text, "-"); found {
		text = after
	}
	n, err := strconv.ParseUint(text, 10, 31)
	return uint32(n), err == nil
}

// appendShard appends a shard's name.
func appendShard(b []byte, number uint32) []byte {
	b = append(b, "shardId-000000000000"...)
	for i := len(b) - 1; number > 0; i-- {
		b[i] = byte('0' + number%10)
		number /= 10
	}
	return b
}

func shardName(number uint32) string { return string(appendShard(nil, number)) }
