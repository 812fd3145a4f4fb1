package videoapi

import (
	"context"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// needs finds the stream that a request is about, under the ARN that this
// gateway gives it. One that is not there has no time of creation.
func (a *API) needs(_ context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	name, byARN := c.In.Text("StreamName"), c.In.Text("StreamARN")
	if c.In == nil { // PutMedia
		name, byARN = c.Header("x-amzn-stream-name"), c.Header("x-amzn-stream-arn")
	}
	if byARN != "" {
		inARN, _, ok := parseARN(byARN)
		if !ok {
			return nil, invalid("Invalid StreamARN: %s", byARN)
		}
		name = string(inARN)
	}
	if name == "" {
		return []awsapi.Need{{Resource: "*"}}, nil
	}
	stream, there := a.config.Catalog.Stream(shardlog.StreamName(name))
	if !there {
		stream.Name = shardlog.StreamName(name)
	}
	return []awsapi.Need{{Resource: arn(c.Caller.Region, stream)}}, nil
}
