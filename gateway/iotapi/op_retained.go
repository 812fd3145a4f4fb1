package iotapi

import (
	"context"
	"encoding/json"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// GetRetainedMessage is the retained message of a topic.
//
// InvalidRequestException, ResourceNotFoundException.

func getRetainedInput() []awsapi.Field {
	return []awsapi.Field{text("topic", awsapi.NotNull())}
}

func (a *API) getRetained(ctx context.Context, c *awsapi.Call) error {
	m, err := a.config.Messages.Retained(ctx, c.In.Text("topic"))
	if shardlog.KindOf(err) == shardlog.NotFound && err != nil {
		return notFound("No retained message exists for topic: " + c.In.Text("topic"))
	}
	if err != nil {
		return err
	}
	c.Out.Open("")
	c.Out.Text("topic", m.Topic)
	c.Out.Blob("payload", m.Payload)
	describe(c, m)
	if len(m.User) > 0 {
		list := make([]map[string]string, 0, len(m.User))
		for _, p := range m.User {
			list = append(list, map[string]string{p.Name: p.Value})
		}
		b, err := json.Marshal(list)
		if err != nil {
			return err
		}
		c.Out.Blob("userProperties", b)
	}
	c.Out.Close()
	return nil
}

// ListRetainedMessages lists the topics that have a retained message, in order,
// at most maxResults in one answer.
//
// InvalidRequestException.

func listRetainedInput() []awsapi.Field {
	return []awsapi.Field{text("nextToken", awsapi.Longest(2048)), integer("maxResults", awsapi.Least(1), awsapi.Most(200))}
}

func (a *API) listRetained(ctx context.Context, c *awsapi.Call) error {
	after, err := openToken(c)
	if err != nil {
		return err
	}
	left, last, more := c.In.Int("maxResults", 200), "", false
	c.Out.Open("")
	c.Out.List("retainedTopics")
	for m := range a.config.Messages.AllRetained(ctx) {
		if m.Topic <= after {
			continue
		}
		if more = left == 0; more {
			break
		}
		c.Out.Open("")
		c.Out.Text("topic", m.Topic)
		c.Out.Int("payloadSize", int64(len(m.Payload)))
		describe(c, m)
		c.Out.Close()
		last = m.Topic
		left--
	}
	c.Out.EndList()
	if more {
		c.Out.Text("nextToken", nextToken(last))
	}
	c.Out.Close()
	return nil
}

// describe is what both tell of a message.
func describe(c *awsapi.Call, m Retained) {
	c.Out.Int("qos", int64(m.QoS))
	c.Out.Int("lastModifiedTime", m.At.UnixMilli())
}
