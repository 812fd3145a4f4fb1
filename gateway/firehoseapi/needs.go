package firehoseapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// needs finds the delivery stream that a request is about. Who makes one over a
// Kinesis stream reads that, and so needs leave for it as well.
func (a *API) needs(_ context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	if !c.In.Has("DeliveryStreamName") {
		return []awsapi.Need{{Resource: "*"}}, nil
	}
	needs := []awsapi.Need{{Resource: arn(c.Caller.Region, c.In.Text("DeliveryStreamName"))}}
	if source := c.In.Inner("KinesisStreamSourceConfiguration"); source != nil {
		name, err := parseStreamARN(source.Text("KinesisStreamARN"))
		if err != nil {
			return nil, err
		}
		needs = append(needs, awsapi.Need{Action: "kinesis:GetRecords", Resource: streamARN(c.Caller.Region, name)})
	}
	return needs, nil
}
