package videoapi

import (
	"context"
	"strings"

	"headgate/gateway/awsapi"
	"headgate/shardlog"
)

// ListStreams lists the streams by name, those whose names begin as asked, at
// most MaxResults in one answer.
//
// InvalidArgumentException.

const streamsPage = "s"

func listStreamsInput() []awsapi.Field {
	return []awsapi.Field{
		integer("MaxResults", awsapi.Least(1), awsapi.Most(10000)), nextToken(),
		{Name: "StreamNameCondition", Type: awsapi.Structure, Fields: []awsapi.Field{
			text("ComparisonOperator", awsapi.OneOf("BEGINS_WITH")), text("ComparisonValue", awsapi.Longest(128))}},
	}
}

func (a *API) listStreams(ctx context.Context, c *awsapi.Call) error {
	after := ""
	if c.In.Has("NextToken") {
		var err error
		if after, err = openPage(streamsPage, c.In.Text("NextToken")); err != nil {
			return err
		}
	}
	prefix := c.In.Inner("StreamNameCondition").Text("ComparisonValue")
	var found []shardlog.Stream
	for _, s := range a.config.Catalog.Streams() {
		if s.Class == shardlog.Video && string(s.Name) > after && strings.HasPrefix(string(s.Name), prefix) {
			found = append(found, s)
		}
	}
	n := min(c.In.Int("MaxResults", 1000), len(found))
	c.Out.Open("")
	c.Out.List("StreamInfoList")
	for _, s := range found[:n] {
		if err := a.putStream(ctx, c, "", s); err != nil {
			return err
		}
	}
	c.Out.EndList()
	if n < len(found) {
		c.Out.Text("NextToken", page(streamsPage, string(found[n-1].Name)))
	}
	c.Out.Close()
	return nil
}
