package kinesisapi

import (
	"context"
	"encoding/binary"
	"strings"

	"headgate/gateway/access"
	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// needs finds the stream, the consumer or the channel that a request is about,
// under the ARN that this gateway gives it: what the client wrote may name
// another region, and must not be a way around a policy.
func (a *API) needs(ctx context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	in, region := c.In, c.Caller.Region
	if p, ok := c.Parsed.(*putRequest); ok && in == nil {
		name, err := identify(p.stream, p.arn)
		return []awsapi.Need{{Resource: arn(region, name)}}, err
	}
	byARN := in.Text("ConsumerARN")
	if resource := in.Text("ResourceARN"); strings.Contains(resource, "/consumer/") {
		byARN = resource
	} else if resource != "" {
		name, err := identify("", resource)
		return []awsapi.Need{{Resource: arn(region, name)}}, err
	}
	switch {
	case byARN != "":
		stream, one, err := a.consumerByARN(ctx, byARN)
		return []awsapi.Need{{Resource: consumerARN(region, stream.Name, one)}}, err
	case in.Has("ChannelARN"):
		text := in.Text("ChannelARN")
		return []awsapi.Need{{Resource: channelARN(region, text[strings.LastIndex(text, "/")+1:])}}, nil
	case in.Has("StreamName") || in.Has("StreamARN"):
		name, err := identify(shardlog.StreamName(in.Text("StreamName")), in.Text("StreamARN"))
		return []awsapi.Need{{Resource: arn(region, name)}}, err
	}
	return []awsapi.Need{{Resource: "*"}}, nil
}

// needsOfConsumer is needs for operations that may name a consumer by its
// stream and its name.
func (a *API) needsOfConsumer(ctx context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	stream, one, err := a.findConsumer(ctx, c.In)
	return []awsapi.Need{{Resource: consumerARN(c.Caller.Region, stream.Name, one)}}, err
}

// needsOfIterator is needs for GetRecords, which finds the iterator opened.
func (a *API) needsOfIterator(ctx context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	it, err := a.openIterator(ctx, c.In.Text("ShardIterator"))
	if err != nil {
		return nil, err
	}
	c.Parsed = it
	return []awsapi.Need{{Resource: arn(c.Caller.Region, it.name)}}, nil
}

// needsOfPage is needs for ListShards, whose token holds the stream.
func (a *API) needsOfPage(ctx context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	token := c.In.Text("NextToken")
	if token == "" || c.In.Has("StreamName") || c.In.Has("StreamARN") {
		return a.needs(ctx, c)
	}
	content, err := a.openPage(ctx, shardsPurpose, token)
	if err != nil || len(content) < 4 {
		return nil, err
	}
	stream, _ := a.catalog.StreamByID(shardlog.StreamID(binary.BigEndian.Uint32(content)))
	return []awsapi.Need{{Resource: arn(c.Caller.Region, stream.Name)}}, nil
}

// needsOfChannel is needs for CreateChannel: whoever makes one reads its stream.
func (a *API) needsOfChannel(_ context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	needs := []awsapi.Need{{Resource: channelARN(c.Caller.Region, c.In.Text("ChannelName"))}}
	for _, from := range c.In.List("StreamConfigurationList") {
		in, _ := from.(awsapi.Input)
		name, err := identify("", in.Text("StreamARN"))
		if err != nil {
			return nil, err
		}
		stream := arn(c.Caller.Region, name)
		needs = append(needs, awsapi.Need{Resource: stream}, awsapi.Need{Action: "kinesis:GetRecords", Resource: stream})
	}
	return needs, nil
}

// permit says what each operation takes permission for, and which are of the
// data plane.
func (a *API) permit(ops map[string]awsapi.Operation) {
	for name, op := range ops {
		switch name {
		case "PutRecord", "PutRecords", "GetShardIterator", "SubscribeToShard":
			op.Data = true
		case "GetRecords":
			op.Data, op.Needs = true, a.needsOfIterator
		case "ListShards":
			op.Needs = a.needsOfPage
		case "CreateChannel":
			op.Needs = a.needsOfChannel
		case "DescribeStreamConsumer", "DeregisterStreamConsumer":
			op.Needs = a.needsOfConsumer
		}
		ops[name] = op
	}
}

// PolicyOf is the policy of a stream or of a consumer, by its ARN; nil when it
// has none, or is not there. Kind Corrupt: it cannot be read.
func (a *API) PolicyOf(ctx context.Context, resource string) (*access.Policy, error) {
	if !strings.Contains(resource, ":kinesis:") || !strings.Contains(resource, ":stream/") {
		return nil, nil
	}
	r, err := a.findResource(ctx, awsapi.Input{"ResourceARN": resource})
	if err != nil {
		if known, ok := err.(*awsapi.Error); ok && known.Code == resourceNotFound {
			return nil, nil // the operation says so, if it minds
		}
		return nil, err
	}
	own, err := a.ownOf(ctx, r)
	if err != nil || own.Policy == "" {
		return nil, err
	}
	return a.policies.parse(own.Policy, resource)
}
