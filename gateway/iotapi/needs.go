package iotapi

import (
	"context"

	"headgate/gateway/awsapi"
)

// needs finds the thing or the topic that a request is about.
func needs(_ context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	resource := "*"
	switch {
	case c.In.Has("thingName"):
		resource = arn(c, "thing/"+c.In.Text("thingName"))
	case c.In.Has("topic"):
		resource = arn(c, "topic/"+c.In.Text("topic"))
	}
	return []awsapi.Need{{Resource: resource}}, nil
}

// publishNeeds are those of Publish: a retained message takes a permission more.
func publishNeeds(ctx context.Context, c *awsapi.Call) ([]awsapi.Need, error) {
	all, err := needs(ctx, c)
	if err == nil && c.In.Bool("retain") {
		all = append(all, awsapi.Need{Action: "iot:RetainPublish", Resource: all[0].Resource})
	}
	return all, err
}

// arn is a resource of IoT's in the caller's region.
func arn(c *awsapi.Call, resource string) string {
	return "arn:aws:iot:" + c.Caller.Region + ":" + awsapi.Account + ":" + resource
}
